//! The command `dead-letters`: what was given up and why, what mends it, and another try for it.

use anyhow::Result;
use session_admin::{Letter, LetterFilter, Moved, OperationError};
use session_builder::{
    advice::advice,
    client::{Client, ClientError},
    operations::{Desk, stored_letters},
    screen::Screen,
};
use session_config::{QueueKind, Settings};
use session_telemetry::{Escaped, Quoted};

use crate::{
    cli::{DeadLettersAction, LetterArgs},
    consent,
    exit::{Ending, Usage},
};

/// The reason of letters that have none.
const UNKNOWN: &str = "unknown";

/// Who has the letters.
enum Letters<'settings> {
    /// The running service.
    Service(Box<Client>),
    /// SQS: they are anybody's.
    Queue(Desk),
    /// The store of this machine, while no service runs. Whoever looks writes nothing there.
    Stored(&'settings Settings),
}

impl<'settings> Letters<'settings> {
    async fn of(settings: &'settings Settings) -> Result<Self> {
        if settings.queue.kind == QueueKind::Sqs {
            return Ok(Self::Queue(Desk::open(settings).await?));
        }
        let running = match Client::of(&settings.service.state_dir) {
            Ok(client) => client.status().await.map(|_| client),
            Err(none) => Err(none),
        };
        match running {
            Ok(client) => Ok(Self::Service(Box::new(client))),
            Err(none) if none.is_no_service() => Ok(Self::Stored(settings)),
            Err(error) => Err(error.into()),
        }
    }

    async fn list(&self, filter: &LetterFilter) -> Result<Vec<Letter>> {
        Ok(match self {
            Self::Service(client) => client.dead_letters(filter).await?,
            Self::Queue(desk) => desk.list(filter).await?,
            Self::Stored(settings) => stored_letters(&settings.service.state_dir, filter).await?,
        })
    }

    async fn redrive(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved> {
        match self {
            Self::Service(client) => Ok(client.redrive(filter, dry_run).await?),
            Self::Queue(desk) => Ok(desk.redrive(filter, dry_run).await?),
            Self::Stored(_) if dry_run => self.would_move(filter).await,
            // A queue in the memory of this process ends with it: somebody has to run who serves it.
            Self::Stored(settings) => Err(ClientError::no_service(
                &settings.service.state_dir,
                "none runs, and nobody else would serve what is redriven",
            )
            .into()),
        }
    }

    async fn purge(&self, filter: &LetterFilter, dry_run: bool) -> Result<Moved> {
        Ok(match self {
            Self::Service(client) => client.purge(filter, dry_run).await?,
            Self::Queue(desk) => desk.purge(filter, dry_run).await?,
            Self::Stored(_) if dry_run => self.would_move(filter).await?,
            Self::Stored(settings) => Desk::open(settings).await?.purge(filter, dry_run).await?,
        })
    }

    async fn would_move(&self, filter: &LetterFilter) -> Result<Moved> {
        Ok(Moved {
            dry_run: true,
            matched: self.list(filter).await?.len(),
            ..Moved::default()
        })
    }
}

/// Carries out the command.
///
/// # Errors
/// What the queue, the store or the running service says.
pub(crate) async fn dead_letters(settings: &Settings, screen: &Screen, action: DeadLettersAction) -> Result<Ending> {
    let letters = Letters::of(settings).await?;
    match action {
        DeadLettersAction::List { letters: which, json } => {
            let listed = letters.list(&which.filter()).await?;
            list(screen, &listed, json)
        }
        DeadLettersAction::Show { id, json } => {
            let filter = LetterFilter {
                ids: vec![id.clone()],
                ..LetterFilter::default()
            };
            let Some(letter) = letters.list(&filter).await?.pop() else {
                let hint = "`session-builder dead-letters list` names those that there are";
                return Err(OperationError::NotFound(format!("no dead letter has the id {id:?}; {hint}")).into());
            };
            show(screen, &letter, json)
        }
        DeadLettersAction::Redrive { letters: which, change } => {
            let filter = which.filter();
            if !change.dry_run && !agreed(screen, &letters, &filter, "send back to the queue", change.yes, true).await?
            {
                return Ok(Ending::Partly);
            }
            let moved = letters.redrive(&filter, change.dry_run).await?;
            tell(screen, "redriven", &moved, change.json)
        }
        DeadLettersAction::Purge { letters: which, change } => {
            let filter = which.filter();
            if !change.dry_run && !agreed(screen, &letters, &filter, "delete for good", change.yes, false).await? {
                return Ok(Ending::Partly);
            }
            let moved = letters.purge(&filter, change.dry_run).await?;
            tell(screen, "purged", &moved, change.json)
        }
    }
}

impl LetterArgs {
    fn filter(self) -> LetterFilter {
        LetterFilter {
            ids: self.ids,
            reason: self.reason,
            session: self.session,
            older_than_secs: self.older_than.map(|age| age.as_secs()),
            limit: self.limit,
        }
    }
}

/// Asks whoever sits there. A script says --yes; to redrive, it need not.
async fn agreed(
    screen: &Screen,
    letters: &Letters<'_>,
    filter: &LetterFilter,
    what: &str,
    yes: bool,
    harmless: bool,
) -> Result<bool> {
    let somebody = consent::somebody_is_there();
    if yes || (harmless && !somebody) {
        return Ok(true);
    }
    if !somebody {
        return Err(Usage(String::from(
            "nobody is there to be asked: say --yes, or --dry-run to look first",
        ))
        .into());
    }
    let count = letters.list(filter).await?.len();
    consent::agreed(screen, &format!("{count} dead letters to {what}.")).await
}

fn list(screen: &Screen, letters: &[Letter], json: bool) -> Result<Ending> {
    if json {
        screen.print(&serde_json::to_string_pretty(letters)?);
        return Ok(Ending::Done);
    }
    for letter in letters {
        screen.print(&line(letter));
    }
    screen.print(&format!("dead letters {}", letters.len()));
    let mut reasons: Vec<&str> = letters.iter().map(reason).collect();
    reasons.sort_unstable();
    let mut different = reasons.clone();
    different.dedup();
    for code in different {
        let count = reasons.iter().filter(|reason| **reason == code).count();
        screen.print(&format!("{count} × {}", Escaped(code)));
        if let Some(advice) = advice(code) {
            screen.print(&format!("    {} {}", advice.meaning, advice.cause));
            screen.print(&format!("    {}", advice.command));
        }
    }
    Ok(Ending::Done)
}

fn reason(letter: &Letter) -> &str {
    letter.reason.as_deref().unwrap_or(UNKNOWN)
}

fn line(letter: &Letter) -> String {
    let or_unknown = |value: &Option<String>| {
        value
            .as_deref()
            .map_or(String::from("?"), |value| Quoted(value).to_string())
    };
    format!(
        "dead-letter message={} session={} pda={} reason={} attempts={} age_secs={} signature={} note={}",
        Quoted(&letter.id),
        or_unknown(&letter.session_id),
        or_unknown(&letter.pda),
        Quoted(reason(letter)),
        letter
            .attempts
            .map_or(String::from("?"), |attempts| attempts.to_string()),
        letter.age_secs.map_or(String::from("?"), |age| age.to_string()),
        Quoted(letter.last_signature.as_deref().unwrap_or_default()),
        Escaped(format_args!("{:?}", letter.sentence)),
    )
}

fn show(screen: &Screen, letter: &Letter, json: bool) -> Result<Ending> {
    if json {
        screen.print(&serde_json::to_string_pretty(letter)?);
        return Ok(Ending::Done);
    }
    let unknown = String::from("?");
    let rows = [
        ("message", &letter.id),
        ("session", letter.session_id.as_ref().unwrap_or(&unknown)),
        ("pda", letter.pda.as_ref().unwrap_or(&unknown)),
        ("owner", letter.owner.as_ref().unwrap_or(&unknown)),
        ("reason", &reason(letter).to_owned()),
        ("sentence", &letter.sentence),
        ("since", letter.since.as_ref().unwrap_or(&unknown)),
        ("signature", letter.last_signature.as_ref().unwrap_or(&unknown)),
        ("body", &letter.body),
    ];
    for (name, value) in rows {
        screen.print(&format!("{name:<10}{}", Escaped(value)));
    }
    if let Some(advice) = advice(reason(letter)) {
        screen.print(&format!("meaning   {}", advice.meaning));
        screen.print(&format!("cause     {}", advice.cause));
        screen.print(&format!("next      {}", advice.command));
    }
    Ok(Ending::Done)
}

fn tell(screen: &Screen, word: &str, moved: &Moved, json: bool) -> Result<Ending> {
    if json {
        screen.print(&serde_json::to_string_pretty(moved)?);
    } else {
        for refusal in &moved.refused {
            screen.print(&format!(
                "refused message={} note={}",
                Quoted(&refusal.id),
                Quoted(&refusal.reason)
            ));
        }
        let only_told = if moved.dry_run {
            " (dry run: nothing was changed)"
        } else {
            ""
        };
        let (matched, done, refused) = (moved.matched, moved.done, moved.refused.len());
        screen.print(&format!(
            "matched {matched}  {word} {done}  refused {refused}{only_told}"
        ));
    }
    let all = moved.dry_run || moved.done == moved.matched;
    Ok(if all { Ending::Done } else { Ending::Partly })
}

//! The command `quarantine`: what could not be read or sent and why, another try for it, and its release.

use anyhow::Result;
use clap::{Args, Subcommand};
use session_admin::{OperationError, QuarantineFilter, Quarantined};
use session_builder::{advice::advice, client::Client, operations::Ward, screen::Screen};
use session_config::Settings;
use session_telemetry::{Escaped, Quoted};

use crate::{
    consent,
    exit::{Ending, Usage},
};

/// What can be done with the quarantine.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum QuarantineAction {
    /// Print each item with its reason, and for each reason what mends it.
    List {
        /// With this reason: withheld, unreadable, undecodable, unsendable or postponed.
        #[arg(long, value_name = "CODE")]
        reason: Option<String>,
        /// At most so many, the longest there first.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print one item, whole: who answered what, and when it is tried again.
    Show {
        /// Its id.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have items tried again now.
    Retry {
        /// Which.
        #[command(flatten)]
        which: WhichArgs,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take items out for good: somebody has dealt with them, and nothing will come of them any more.
    Release {
        /// Which.
        #[command(flatten)]
        which: WhichArgs,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Which items are meant.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct WhichArgs {
    /// With these ids.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// With this reason: withheld, unreadable, undecodable, unsendable or postponed.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// All of them.
    #[arg(long, conflicts_with_all = ["ids", "reason"])]
    all: bool,
}

impl WhichArgs {
    fn filter(self) -> QuarantineFilter {
        QuarantineFilter {
            ids: self.ids,
            reason: self.reason,
            limit: None,
        }
    }
}

/// Who has the quarantine: the running service, or, where none runs, this process.
enum Held {
    Service(Box<Client>),
    Own(Ward),
}

impl Held {
    async fn of(settings: &Settings) -> Result<Self> {
        let running = match Client::of(&settings.service.state_dir) {
            Ok(client) => client.status().await.map(|_| client),
            Err(none) => Err(none),
        };
        match running {
            Ok(client) => Ok(Self::Service(Box::new(client))),
            Err(none) if none.is_no_service() => Ok(Self::Own(Ward::open(settings).await?)),
            Err(error) => Err(error.into()),
        }
    }

    async fn list(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>> {
        Ok(match self {
            Self::Service(client) => client.quarantine(filter).await?,
            Self::Own(ward) => ward.list(filter).await?,
        })
    }

    async fn retry(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>> {
        Ok(match self {
            Self::Service(client) => client.quarantine_retry(filter).await?,
            Self::Own(ward) => ward.retry(filter).await?,
        })
    }

    async fn release(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>> {
        Ok(match self {
            Self::Service(client) => client.quarantine_release(filter).await?,
            Self::Own(ward) => ward.release(filter).await?,
        })
    }
}

/// Carries out the command.
///
/// # Errors
/// What the running service says, or the place where the quarantine is kept.
pub(crate) async fn quarantine(settings: &Settings, screen: &Screen, action: QuarantineAction) -> Result<Ending> {
    let held = Held::of(settings).await?;
    match action {
        QuarantineAction::List { reason, limit, json } => {
            let filter = QuarantineFilter {
                reason,
                limit,
                ..QuarantineFilter::default()
            };
            list(screen, &held.list(&filter).await?, json)
        }
        QuarantineAction::Show { id, json } => {
            let filter = QuarantineFilter {
                ids: vec![id.clone()],
                ..QuarantineFilter::default()
            };
            let Some(item) = held.list(&filter).await?.pop() else {
                let hint = "`session-builder quarantine list` names what there is";
                return Err(
                    OperationError::NotFound(format!("nothing in quarantine has the id {id:?}; {hint}")).into(),
                );
            };
            show(screen, &item, json)
        }
        QuarantineAction::Retry { which, json } => {
            let changed = held.retry(&which.filter()).await?;
            let note = match held {
                Held::Service(_) => "tried again now",
                Held::Own(_) => {
                    "tried again within 15 s by a listener that runs with this quarantine, or when one starts"
                }
            };
            tell(screen, &changed, note, json)
        }
        QuarantineAction::Release { which, yes, json } => {
            let filter = which.filter();
            if !yes && !agreed(screen, held.list(&filter).await?.len()).await? {
                return Ok(Ending::Partly);
            }
            tell(screen, &held.release(&filter).await?, "released", json)
        }
    }
}

/// Asks whoever sits there. A script says --yes.
async fn agreed(screen: &Screen, count: usize) -> Result<bool> {
    if !consent::somebody_is_there() {
        let how = "nobody is there to be asked: say --yes, or look first with quarantine list";
        return Err(Usage(String::from(how)).into());
    }
    let question = format!("{count} to release: nothing will come of them any more.");
    consent::agreed(screen, &question).await
}

fn list(screen: &Screen, items: &[Quarantined], json: bool) -> Result<Ending> {
    if json {
        screen.print(&serde_json::to_string_pretty(items)?);
        return Ok(Ending::Done);
    }
    for item in items {
        screen.print(&line(item));
    }
    screen.print(&format!("in quarantine {}", items.len()));
    let mut reasons: Vec<&str> = items.iter().map(|item| item.reason.as_str()).collect();
    reasons.sort_unstable();
    for of_one in reasons.chunk_by(|one, other| one == other) {
        let (code, count) = (of_one[0], of_one.len());
        screen.print(&format!("{count} × {}", Escaped(code)));
        if let Some(advice) = advice(code) {
            screen.print(&format!("    {} {}", advice.meaning, advice.cause));
            screen.print(&format!("    {}", advice.command));
        }
    }
    Ok(Ending::Done)
}

fn line(item: &Quarantined) -> String {
    format!(
        "quarantined id={} reason={} kind={} slot={} attempts={} age_secs={} next_try={} note={}",
        Quoted(&item.id),
        Quoted(&item.reason),
        Quoted(&item.kind),
        item.slot.map_or(String::from("?"), |slot| slot.to_string()),
        item.attempts,
        item.age_secs,
        Quoted(item.next_try.as_deref().unwrap_or("?")),
        Escaped(format_args!("{:?}", item.detail)),
    )
}

fn show(screen: &Screen, item: &Quarantined, json: bool) -> Result<Ending> {
    if json {
        screen.print(&serde_json::to_string_pretty(item)?);
        return Ok(Ending::Done);
    }
    let unknown = || String::from("?");
    let rows = [
        ("id", item.id.clone()),
        ("reason", item.reason.clone()),
        ("detail", item.detail.clone()),
        ("kind", item.kind.clone()),
        ("slot", item.slot.map_or_else(unknown, |slot| slot.to_string())),
        ("program", item.program_id.clone()),
        ("cluster", item.genesis_hash.clone()),
        ("attempts", item.attempts.to_string()),
        ("since", item.since.clone().unwrap_or_else(unknown)),
        ("next try", item.next_try.clone().unwrap_or_else(unknown)),
    ];
    for (name, value) in rows {
        screen.print(&format!("{name:<10}{}", Escaped(value)));
    }
    for said in &item.evidence {
        let at = said.at.as_deref().unwrap_or("?");
        screen.print(&format!(
            "evidence  {} at {}: {}",
            Escaped(&said.witness),
            Escaped(at),
            Escaped(&said.answer)
        ));
    }
    if let Some(body) = &item.body {
        screen.print(&format!("body      {}", Escaped(body)));
    }
    if let Some(advice) = advice(&item.reason) {
        screen.print(&format!("meaning   {}", advice.meaning));
        screen.print(&format!("cause     {}", advice.cause));
        screen.print(&format!("next      {}", advice.command));
    }
    Ok(Ending::Done)
}

/// Says which were changed. To have meant none is bad.
fn tell(screen: &Screen, changed: &[Quarantined], note: &str, json: bool) -> Result<Ending> {
    if json {
        screen.print(&serde_json::to_string_pretty(changed)?);
    } else {
        for item in changed {
            screen.print(&format!("id={} reason={}", Quoted(&item.id), Quoted(&item.reason)));
        }
        screen.print(&format!("{} {note}", changed.len()));
    }
    Ok(if changed.is_empty() { Ending::Bad } else { Ending::Done })
}

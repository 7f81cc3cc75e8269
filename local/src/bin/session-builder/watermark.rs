//! The command `watermark`: how far everything is settled, and another place to begin at.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use session_builder::{
    client::Client,
    lasting::{in_own_store, lasting, watermarks_of},
    queues::source_name,
    reach::reach,
    screen::Screen,
};
use session_chain::rpc_pool;
use session_config::Settings;
use session_listener::{
    BackfillRequest, KeptWatermark, Lasting, ListenerConfig, Mark, Point, Provenance, Watermarks, backfill,
};
use session_store::{FILE, Reader, Store, owner};
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::{
    catch_up::nothing,
    cli::point,
    consent,
    exit::{Ending, Usage},
};

/// What can be done with the watermark.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum WatermarkAction {
    /// Print it: slot, signature, why all before it is complete, where it is kept, and how far behind the chain it is.
    Show {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have the next start begin after this slot or transaction. Back is harmless: events are read again, and no account is
    /// paid for twice. Forward leaves out whatever lies between. The service must be stopped.
    Set {
        /// The last slot, or the last transaction, that is not to be read again.
        #[arg(value_name = "SLOT|SIGNATURE", value_parser = point)]
        point: Point,
        /// Go forward even over events that nobody has queued.
        #[arg(long)]
        force: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A service works on this watermark.
#[derive(Debug, thiserror::Error)]
#[error("the running process {pid} moves this watermark, and would move it again: stop it first")]
struct Moving {
    pid: u32,
}

/// Events would be left out.
#[derive(Debug, thiserror::Error)]
enum Forward {
    #[error(
        "{events} events between slots {from} and {to} would be left out: have them served by `session-builder backfill \
         --from {from} --to {to}`, then set it with --force"
    )]
    Over { events: u64, from: u64, to: u64 },
    #[error(
        "what the slots up to {to} hold can be told up to slot {known} so far: wait some seconds, or leave out what may \
         be there with --force"
    )]
    Unknown { known: u64, to: u64 },
}

/// Carries out the command.
///
/// # Errors
/// What the chain or the watermark's place says, and why it may not be set.
pub(crate) async fn watermark(
    settings: &Settings,
    screen: &Screen,
    action: WatermarkAction,
    stop: CancellationToken,
) -> Result<Ending> {
    match action {
        WatermarkAction::Show { json } => show(settings, screen, json).await,
        WatermarkAction::Set {
            point,
            force,
            yes,
            json,
        } => {
            // Whoever owns the store owns the watermark; a service that keeps nothing here has its pages.
            let store = Store::open(&settings.service.state_dir).await?;
            let change = Change {
                point,
                force,
                yes,
                json,
            };
            let ended = match running(settings).await {
                Some(pid) => Err(Moving { pid }.into()),
                None => Box::pin(change.carry_out(settings, &store, screen, stop)).await,
            };
            store.close().await;
            ended
        }
    }
}

/// The process id of the service that answers for this state folder.
async fn running(settings: &Settings) -> Option<u32> {
    let client = Client::of(&settings.service.state_dir).ok()?;
    Some(client.status().await.ok()?.pid)
}

/// The watermarks for whoever only looks.
async fn looked_at(settings: &Settings) -> Result<Watermarks> {
    let folder = &settings.service.state_dir;
    if in_own_store(settings) && folder.join(FILE).is_file() {
        return Ok(watermarks_of(settings, Reader::open(folder).await?)?);
    }
    Ok(Lasting::from_settings(settings).await?.watermarks)
}

async fn opened(settings: &Settings, watermarks: &Watermarks) -> Result<KeptWatermark> {
    let config = ListenerConfig::from_settings(settings)?;
    let (queue, pool) = (source_name(settings).await?, rpc_pool(settings)?);
    reach(settings, |reason| tracing::warn!("{reason}")).await?;
    Ok(KeptWatermark::open(&config, pool, watermarks, &queue).await?)
}

async fn show(settings: &Settings, screen: &Screen, json: bool) -> Result<Ending> {
    let mut kept = opened(settings, &looked_at(settings).await?).await?;
    let (saved, newest) = (kept.load().await?, kept.newest_slot().await?);
    let moving = match owner(&settings.service.state_dir) {
        Some(Some(pid)) => Some(pid),
        Some(None) | None => running(settings).await,
    };
    if json {
        let told = described(saved, newest, &kept.location(), moving);
        screen.print(&serde_json::to_string_pretty(&told)?);
        return Ok(Ending::Done);
    }
    match saved {
        Some((mark, saved)) => {
            screen.print(&format!("watermark slot {}  signature {}", mark.slot, signature(mark)));
            screen.print(&format!("complete  {}", reason(saved)));
            let lag = newest.saturating_sub(mark.slot);
            screen.print(&format!("lag       {lag} slots behind slot {newest}"));
        }
        None => screen.print("watermark none is saved: the first start begins as listener.start says"),
    }
    screen.print(&format!("kept in   {}", kept.location()));
    screen.print(&match moving {
        Some(pid) => format!("service   process {pid} moves it"),
        None => String::from("service   none runs here: it stands"),
    });
    Ok(Ending::Done)
}

fn signature(mark: Mark) -> String {
    mark.signature
        .map_or(String::from("none"), |signature| signature.to_string())
}

/// Why everything up to the watermark is thought to be complete.
fn reason(saved: Provenance) -> String {
    let at = saved.at.format(&Rfc3339).unwrap_or_default();
    if saved.by_hand {
        format!("because an operator said so at {at}, by watermark set")
    } else {
        format!(
            "because the chain has listed all of the program's transactions up to it, and all that they ask for is queued \
             or in quarantine; saved at {at}"
        )
    }
}

fn described(saved: Option<(Mark, Provenance)>, newest: u64, location: &str, moving: Option<u32>) -> Value {
    json!({
        "slot": saved.map(|(mark, _)| mark.slot),
        "signature": saved.and_then(|(mark, _)| mark.signature).map(|signature| signature.to_string()),
        "complete_because": saved.map(|(_, saved)| reason(saved)),
        "set_by_hand": saved.map(|(_, saved)| saved.by_hand),
        "saved_at": saved.and_then(|(_, saved)| saved.at.format(&Rfc3339).ok()),
        "kept_in": location,
        "newest_slot": newest,
        "lag_slots": saved.map(|(mark, _)| newest.saturating_sub(mark.slot)),
        "service_pid": moving,
    })
}

/// Another place for the watermark.
struct Change {
    point: Point,
    force: bool,
    yes: bool,
    json: bool,
}

impl Change {
    async fn carry_out(
        &self,
        settings: &Settings,
        store: &Store,
        screen: &Screen,
        stop: CancellationToken,
    ) -> Result<Ending> {
        let lasting = lasting(settings, in_own_store(settings).then_some(store)).await?;
        let mut kept = opened(settings, &lasting.watermarks).await?;
        let newest = kept.newest_slot().await?;
        let slot = kept.slot_of(self.point).await?;
        if slot > newest {
            return Err(Usage(format!("slot {slot} is after the newest slot, {newest}")).into());
        }
        let before = kept.load().await?.map(|(mark, _)| mark.slot);
        if let Some(before) = before.filter(|before| *before < slot && !self.force)
            && !nothing_between(settings, &lasting, before + 1, slot, stop).await?
        {
            return Ok(Ending::Partly);
        }
        if !self.agreed(screen, before, slot).await? {
            return Ok(Ending::Partly);
        }
        let mark = kept.set(self.point, slot).await?;
        tracing::warn!(slot = mark.slot, ?before, "the watermark is set by an operator");
        if self.json {
            let told = json!({
                "slot": mark.slot,
                "signature": mark.signature.map(|signature| signature.to_string()),
                "slot_before": before,
                "kept_in": kept.location(),
            });
            screen.print(&serde_json::to_string_pretty(&told)?);
        } else {
            let was = before.map_or(String::from("none"), |before| format!("slot {before}"));
            screen.print(&format!(
                "watermark slot {}  signature {}  before {was}: the next start reads what comes after it",
                mark.slot,
                signature(mark)
            ));
        }
        Ok(Ending::Done)
    }

    async fn agreed(&self, screen: &Screen, before: Option<u64>, slot: u64) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !consent::somebody_is_there() {
            return Err(Usage(String::from(
                "nobody is there to be asked: say --yes, or look with watermark show",
            ))
            .into());
        }
        let question = match before {
            Some(before) if before < slot => {
                format!("From slot {before} forward to {slot}: nobody reads what lies between.")
            }
            Some(before) => {
                format!("From slot {before} back to {slot}: events are read again, and nothing is paid for twice.")
            }
            None => format!("The first start begins after slot {slot}."),
        };
        consent::agreed(screen, &question).await
    }
}

/// Looks whether anything is asked for in a stretch. False if told to stop before that is known.
///
/// # Errors
/// [`Forward`] where something is, or nobody can tell.
async fn nothing_between(
    settings: &Settings,
    lasting: &Lasting,
    from: u64,
    to: u64,
    stop: CancellationToken,
) -> Result<bool> {
    let config = ListenerConfig::from_settings(settings)?;
    let request = BackfillRequest {
        from: Point::Slot(from),
        to: Some(Point::Slot(to)),
        dry_run: true,
    };
    let (pool, queue) = (rpc_pool(settings)?, std::sync::Arc::new(nothing()));
    let found = backfill(&config, pool, queue, lasting, request, |_| {}, stop).await?;
    if !found.done {
        return Ok(false);
    }
    if found.events > 0 {
        let events = found.events;
        return Err(Forward::Over { events, from, to }.into());
    }
    if found.to_slot < to {
        let known = found.to_slot;
        return Err(Forward::Unknown { known, to }.into());
    }
    Ok(true)
}

//! Whether tasks make progress: each shows it by itself, so that one that hangs is seen whatever the others do, and whatever
//! the services do on which they depend.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The pulses of some tasks. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Pulses(Arc<Mutex<BTreeMap<&'static str, Task>>>);

/// What is known of a task.
#[derive(Debug)]
struct Task {
    limit: Duration,
    /// When its step began; `None` while it waits for others.
    at_it_since: Option<Instant>,
}

/// A task that has made no progress for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hung {
    /// Its name.
    pub task: &'static str,
    /// How long its step takes by now.
    pub silent: Duration,
}

/// One task's pulse. Clones share it, and when the last of them is gone nobody expects anything of the task any more.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Beating>);

#[derive(Debug)]
struct Beating {
    name: &'static str,
    pulses: Pulses,
}

impl Pulses {
    /// A task that takes no longer than `limit` for any step; the first one begins now.
    #[must_use]
    pub fn task(&self, name: &'static str, limit: Duration) -> Pulse {
        let at_it_since = Some(Instant::now());
        self.tasks().insert(name, Task { limit, at_it_since });
        Pulse(Arc::new(Beating {
            name,
            pulses: self.clone(),
        }))
    }

    /// The task whose step takes too long, the longest one if there are several.
    #[must_use]
    pub fn hung(&self) -> Option<Hung> {
        let now = Instant::now();
        let tasks = self.tasks();
        let silent = tasks.iter().filter_map(|(task, Task { limit, at_it_since })| {
            let silent = now.duration_since((*at_it_since)?);
            (silent > *limit).then_some(Hung { task, silent })
        });
        silent.max_by_key(|hung| hung.silent)
    }

    /// The map is never left half changed, so a poisoned lock is as good as any.
    fn tasks(&self) -> MutexGuard<'_, BTreeMap<&'static str, Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// A step is done, and the next one begins.
    pub fn beat(&self) {
        self.set(Some(Instant::now()));
    }

    /// Waits for others, which may take as long as it likes. The next step begins with its end.
    pub async fn rest<T>(&self, wait: impl Future<Output = T>) -> T {
        self.set(None);
        let waited = wait.await;
        self.beat();
        waited
    }

    fn set(&self, at_it_since: Option<Instant>) {
        if let Some(task) = self.0.pulses.tasks().get_mut(self.0.name) {
            task.at_it_since = at_it_since;
        }
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.pulses.tasks().remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_task_that_takes_too_long_for_a_step_is_hung_until_it_goes_on() {
        let pulses = Pulses::default();
        let (pulse, _other) = (pulses.task("listing", LIMIT), pulses.task("saving", 10 * LIMIT));
        advance(LIMIT).await;
        assert_eq!(pulses.hung(), None);
        advance(Duration::from_secs(1)).await;
        let silent = Duration::from_secs(61);
        assert_eq!(
            pulses.hung(),
            Some(Hung {
                task: "listing",
                silent
            })
        );
        pulse.beat();
        assert_eq!(pulses.hung(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_others_or_has_ended_is_not_hung() {
        let pulses = Pulses::default();
        let pulse = pulses.task("listing", LIMIT);
        pulse.rest(sleep(2 * LIMIT)).await;
        assert_eq!(pulses.hung(), None, "its next step begins now");
        let given_up = timeout(2 * LIMIT, pulse.rest(std::future::pending::<()>())).await;
        assert!(given_up.is_err());
        assert_eq!(pulses.hung(), None);
        pulse.beat();
        let clone = pulse.clone();
        drop(pulse);
        advance(2 * LIMIT).await;
        assert!(pulses.hung().is_some());
        drop(clone);
        assert_eq!(pulses.hung(), None);
    }
}

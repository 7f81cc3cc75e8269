//! Room `service`: the whole service as one process, for the binary and for a `main` of one's own.
//!
//! Owns the command line's options, what a run on a configured chain and one on the embedded chain have in common, and how
//! each begins and ends. It stands on the pipeline, which knows nothing of it.

mod arguments;
mod configured;
mod course;
#[cfg(feature = "demo")]
mod demo;
mod error;
#[cfg(feature = "demo")]
mod function_environment;
mod loopback;
mod on_event;

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use session_admin::with_signals;
use session_config::{LogFormat, Overrides, Settings, configured_in_environment};
use session_listener::{EventHandler, ObservedEvent};
use session_telemetry::{Escaped, in_full};

use crate::screen::Screen;

#[cfg(feature = "demo")]
pub use arguments::DemoArgs;
pub use arguments::{Arguments, CommonArgs, ServiceArgs};
#[cfg(feature = "demo")]
pub use demo::DemoError;
pub use error::ServiceError;
pub use loopback::keep_direct;
pub use on_event::HandlerError;

/// The service, with handlers of one's own for the factory's events: `docs/extending.md` shows a `main` of ten lines.
///
/// Whatever a handler does changes nothing of what is created: see [`EventHandler`].
#[must_use = "a service does nothing before it is run"]
pub struct Service {
    common: CommonArgs,
    options: ServiceArgs,
    what: What,
    handlers: Vec<Arc<dyn EventHandler>>,
}

/// What is served.
enum What {
    Configured,
    #[cfg(feature = "demo")]
    Demo(Box<DemoArgs>),
    #[cfg(not(feature = "demo"))]
    Nothing,
}

impl Service {
    /// What the process's arguments ask for, which are those of `session-builder`: `--config`, `--log-level` and so on.
    /// Without a configuration it is the demo, if that is built in. Ends the process where they cannot be understood.
    pub fn from_args() -> Self {
        keep_direct();
        Self::new(Arguments::parse())
    }

    /// What these arguments ask for.
    pub fn new(arguments: Arguments) -> Self {
        let what = what(&arguments);
        Self {
            common: arguments.common,
            options: arguments.service,
            what,
            handlers: Vec::new(),
        }
    }

    /// The service as it is configured.
    pub fn configured(common: CommonArgs, options: ServiceArgs) -> Self {
        Self {
            common,
            options,
            what: What::Configured,
            handlers: Vec::new(),
        }
    }

    /// The service on an embedded chain that makes traffic of its own.
    #[cfg(feature = "demo")]
    pub fn demo(common: CommonArgs, options: ServiceArgs, demo: DemoArgs) -> Self {
        Self {
            common,
            options,
            what: What::Demo(Box::new(demo)),
            handlers: Vec::new(),
        }
    }

    /// Gives events to this handler, too.
    pub fn handler(mut self, handler: impl EventHandler) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Does this for every event of an IDL name, such as `"SessionCreatedEvent"`, which is the handler's name, too.
    pub fn on<F, Fut>(self, event_name: &str, handle: F) -> Self
    where
        F: Fn(ObservedEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.handler(on_event::OnEvent::new(event_name, handle))
    }

    /// Runs until SIGTERM or Ctrl-C, or until a demo with a number of sessions is done, drains, and says on standard error
    /// what failed: 0 if nothing did, 2 if the configuration is wrong, else 1.
    pub async fn run(self) -> ExitCode {
        let screen = match Screen::open(self.common.color) {
            Ok(screen) => screen,
            Err(source) => {
                return failed(&ServiceError::System {
                    action: "print",
                    source,
                });
            }
        };
        let ended = self.run_on(&screen).await;
        screen.flush();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        }
    }

    /// The same on a screen that is open already.
    ///
    /// # Errors
    /// [`ServiceError`]: what could not start, or why it ended.
    pub async fn run_on(self, screen: &Arc<Screen>) -> Result<(), ServiceError> {
        let overrides = self.overrides();
        let settings = match &self.what {
            What::Configured => Settings::load(self.common.config.as_deref(), &overrides)?,
            #[cfg(feature = "demo")]
            What::Demo(_) => Settings::demo(&overrides)?,
            #[cfg(not(feature = "demo"))]
            What::Nothing => return Err(ServiceError::NothingConfigured),
        };
        init_logs(&settings, screen)?;
        let metrics = session_telemetry::install_prometheus()?;
        let (screen, what, handlers) = (Arc::clone(screen), self.what, self.handlers);
        let run = with_signals(|stop| async move {
            match what {
                #[cfg(feature = "demo")]
                What::Demo(demo) => Box::pin(demo::run(*demo, settings, screen, handlers, metrics, stop)).await,
                _ => Box::pin(configured::run(settings, screen, handlers, metrics, stop)).await,
            }
        });
        run.await.map_err(|source| ServiceError::System {
            action: "wait for signals",
            source,
        })?
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            metrics_port: self.options.metrics_port,
            enable_metrics: self.options.enable_metrics,
            log_level: self.common.log_level.clone(),
            // The lines of the demo say what happens; logs are for when something is wrong.
            log_level_default: (!matches!(self.what, What::Configured)).then(|| String::from("error")),
            function_url: self.options.function_url.clone(),
        }
    }
}

/// A configuration goes before the environment; the demo goes before the environment only where it is asked for.
fn what(arguments: &Arguments) -> What {
    if arguments.common.config.is_some() {
        return What::Configured;
    }
    #[cfg(feature = "demo")]
    if arguments.demo.is_any_given() {
        return What::Demo(Box::new(arguments.demo.clone()));
    }
    if !configured_in_environment().is_empty() {
        return What::Configured;
    }
    #[cfg(feature = "demo")]
    return What::Demo(Box::new(arguments.demo.clone()));
    #[cfg(not(feature = "demo"))]
    What::Nothing
}

/// Sends logs to the screen as the settings say, with the RPC's secrets withheld.
///
/// # Errors
/// [`ServiceError::Logs`] where the level is none.
pub fn init_logs(settings: &Settings, screen: &Arc<Screen>) -> Result<(), ServiceError> {
    session_telemetry::withhold(settings.secrets());
    let format = match settings.monitoring.log_format {
        LogFormat::Text => session_telemetry::LogFormat::Text,
        LogFormat::Json => session_telemetry::LogFormat::Json,
    };
    let coloured = console::colors_enabled_stderr();
    session_telemetry::init_logs_to(&settings.monitoring.log_level, format, coloured, screen.log_sink())?;
    Ok(())
}

/// Says why on standard error, if anybody reads it.
fn failed(error: &ServiceError) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "error: {}", Escaped(in_full(error)));
    error.exit_code()
}

//! Who reads the output, who doesn't, and who tries to write into it.

use std::process::Stdio;

use session_config::Settings;
use solana_pubkey::Pubkey;
use tokio::{process::Command, time::timeout};

use crate::process::{LIMIT, Run, binary, configured_chain, field, summary};

/// What a shell's command shows on a terminal until it has ended well.
async fn shown_on_a_terminal(command: &str, environment: &[(&str, &str)]) -> String {
    let terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .env("TERM", "xterm")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, terminal).await.expect("an end in time").unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    shown
}

/// On a terminal whose standard error goes to a file, results still come to the terminal.
#[tokio::test]
async fn results_are_printed_on_a_terminal_whose_errors_go_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("errors.log");
    let run = format!(
        "{} --sessions 5 --rate 20 --metrics-port 0 2>{}",
        env!("CARGO_BIN_EXE_session-builder"),
        errors.display()
    );
    let shown = shown_on_a_terminal(&run, &[]).await;
    assert_eq!(shown.matches("   verified\u{1b}[0m").count(), 5, "{shown}");
    assert!(shown.contains("summary   verified 5"), "{shown}");
    assert_eq!(std::fs::read_to_string(errors).unwrap(), "", "logs alone go there");
}

/// On a terminal that is narrower than any line, without colours: every line is there, whole, and the bar is in nobody's way.
#[tokio::test]
async fn a_narrow_terminal_without_colours_shows_every_line() {
    let run = format!(
        "stty cols 20 rows 10; exec {} --sessions 5 --rate 20 --metrics-port 0",
        env!("CARGO_BIN_EXE_session-builder"),
    );
    let shown = shown_on_a_terminal(&run, &[("NO_COLOR", "1")]).await;
    let lines: Vec<&str> = shown.lines().map(after_the_bar).collect();
    let verified: Vec<&&str> = lines.iter().filter(|line| line.starts_with("verified ")).collect();
    assert_eq!(verified.len(), 5, "{shown:?}");
    for line in verified {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words[2].parse::<Pubkey>().is_ok() && line.contains("slots"), "{line}");
    }
    assert!(
        lines.iter().any(|line| line.starts_with("summary   verified 5 ")),
        "{shown:?}"
    );
    let colours = (30..38).chain(90..98).map(|code| format!("\u{1b}[{code}m"));
    assert_eq!(colours.into_iter().find(|code| shown.contains(code)), None, "{shown:?}");
}

/// A way to look at a run, and what may be seen then.
struct Look {
    terminal: Option<&'static str>,
    variables: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    colours: bool,
    /// Of the bar, which moves the cursor.
    other_sequences: bool,
}

const LOOKS: [Look; 5] = [
    Look {
        terminal: Some("dumb"),
        variables: &[],
        arguments: &["--log-level", "info"],
        colours: false,
        other_sequences: false,
    },
    Look {
        terminal: Some("xterm"),
        variables: &[],
        arguments: &["--color", "never", "--log-level", "info"],
        colours: false,
        other_sequences: true,
    },
    Look {
        terminal: Some("xterm"),
        variables: &[("NO_COLOR", "1")],
        arguments: &["--color", "always"],
        colours: true,
        other_sequences: true,
    },
    Look {
        terminal: None,
        variables: &[("TERM", "xterm")],
        arguments: &["--log-level", "info"],
        colours: false,
        other_sequences: false,
    },
    Look {
        terminal: None,
        variables: &[("TERM", "dumb")],
        arguments: &["--color", "always"],
        colours: true,
        other_sequences: false,
    },
];

impl Look {
    /// All that a run of three sessions shows.
    async fn shown(&self) -> String {
        const RUN: [&str; 6] = ["--sessions", "3", "--rate", "20", "--metrics-port", "0"];
        let arguments = [&RUN, self.arguments].concat();
        let mut command = match self.terminal {
            None => {
                let mut command = binary();
                command.args(&arguments);
                command
            }
            Some(terminal) => {
                let run = format!("{} {}", env!("CARGO_BIN_EXE_session-builder"), arguments.join(" "));
                let mut command = Command::new("script");
                command
                    .args(["--quiet", "--return", "--command", &run, "/dev/null"])
                    .env("TERM", terminal)
                    .kill_on_drop(true);
                command
            }
        };
        let running = command
            .env_remove("NO_COLOR")
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .output();
        let output = timeout(LIMIT, running).await.expect("an end in time").unwrap();
        let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{shown}");
        shown
    }
}

/// Whatever a run is looked at with, each of its lines is there; and no sequence is that nobody wants or nobody can read.
#[tokio::test]
async fn no_line_is_lost_and_no_escape_is_where_none_may_be() {
    let all = futures::future::join_all(LOOKS.iter().map(Look::shown)).await;
    for (look, shown) in LOOKS.iter().zip(all) {
        let what = format!("TERM {:?} {:?} {:?}", look.terminal, look.variables, look.arguments);
        let (mut plain, mut colours, mut others) = (String::new(), 0, 0);
        for (index, part) in shown.split('\u{1b}').enumerate() {
            let end = part
                .find(|letter: char| letter.is_ascii_alphabetic())
                .filter(|_| index > 0);
            match end.map(|end| part.split_at(end + 1)) {
                Some((sequence, rest)) => {
                    let is_colour = sequence.ends_with('m');
                    *(if is_colour { &mut colours } else { &mut others }) += 1;
                    // Whatever else it is, it has cleared what stood there.
                    plain.extend([if is_colour { "" } else { "\n" }, rest]);
                }
                None => plain.push_str(part),
            }
        }
        let verified = plain
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("verified "))
            .count();
        assert_eq!(verified, 3, "{what}: {shown:?}");
        assert!(plain.contains("summary   verified 3 "), "{what}: {shown:?}");
        assert_eq!(colours > 0, look.colours, "{what}: {shown:?}");
        assert_eq!(others > 0, look.other_sequences, "{what}: {shown:?}");
    }
}

/// The bar clears its own lines by escape sequences before something is printed; what comes after the last one is that.
fn after_the_bar(line: &str) -> &str {
    let rest = line.rsplit_once("\u{1b}[").map_or(line, |(_, rest)| {
        let sequence_ends = rest.find(|letter: char| letter.is_ascii_alphabetic());
        sequence_ends.map_or(rest, |end| &rest[end + 1..])
    });
    rest.trim()
}

/// Results and logs in one file: every line stays whole, and none is lost.
#[tokio::test]
async fn results_and_logs_in_one_file_are_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both.log");
    let run = format!(
        "exec {} --sessions 30 --rate 30 --metrics-port 0 --log-level info >{} 2>&1",
        env!("CARGO_BIN_EXE_session-builder"),
        both.display()
    );
    let shell = Command::new("sh").args(["-c", &run]).kill_on_drop(true).status();
    assert!(timeout(LIMIT, shell).await.expect("an end in time").unwrap().success());
    let text = std::fs::read_to_string(both).unwrap();
    let is_log = |line: &str| {
        line.split(' ')
            .next()
            .is_some_and(|word| word.ends_with('Z') && word.contains('T'))
    };
    let (logs, results): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| is_log(line));
    assert!(logs.len() > 30, "{text}");
    // A library that logs by another crate is heard, and says nothing of the machine that it was built on.
    assert!(logs.iter().any(|line| line.contains("Database migrated")), "{text}");
    let tells_where = |line: &&&str| line.contains("log.") || line.contains(".cargo") || line.contains(".rs");
    assert_eq!(logs.iter().find(tells_where), None);
    let starts = [
        "chain ",
        "wallet ",
        "demo ",
        "endpoints ",
        "Ctrl-C ",
        "verified ",
        "draining",
        "summary ",
        "latency ",
        "in slots ",
    ];
    for line in &results {
        assert!(starts.iter().any(|start| line.starts_with(start)), "{line:?}");
    }
    let verified: Vec<&&str> = results.iter().filter(|line| line.starts_with("verified ")).collect();
    assert_eq!(verified.len(), 30, "{text}");
    for line in verified {
        assert!(
            field(line, "pda").parse::<Pubkey>().is_ok() && field(line, "latency_slots").parse::<u64>().is_ok(),
            "{line}"
        );
    }
}

#[tokio::test]
async fn nobody_reading_on_changes_nothing() {
    let mut run = Run::start(&["--sessions", "40", "--rate", "20"]);
    for start in ["chain ", "wallet ", "demo "] {
        run.line_of(start).await;
    }
    let mut run = run.close_lines();
    let errors = run.errors().await;
    // The promise of exit 0: all forty are verified, and none is a dead letter.
    assert!(run.end().await.success(), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[tokio::test]
async fn nobody_reading_errors_changes_nothing() {
    let mut run = Run::start(&["--sessions", "20", "--rate", "20", "--log-level", "debug"]);
    run.line_of("verified ").await;
    run.close_errors();
    let lines = run.rest().await;
    assert!(summary(&lines).contains("verified 20 "), "{lines:#?}");
    assert!(run.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cannot_name_itself_into_other_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let hostile = "x\nverified session=f\u{1b}[2J";
    let mut run = Run::start(&["--config", &config, "--log-level", "info"]);
    run.line_of("listening").await;
    traffic.request_named(hostile).await.unwrap();
    let line = run.line_of("verified ").await;
    assert!(
        line.starts_with("verified session=\"x\\nverified session=f\\u{1b}[2J\" pda="),
        "{line}"
    );
    run.interrupt().await;
    let lines = run.rest().await;
    assert!(lines.iter().all(|line| !line.starts_with("verified ")), "{lines:#?}");
    let errors = run.errors().await;
    let forged = |line: &&str| line.starts_with("verified") || line.contains('\u{1b}');
    assert_eq!(errors.lines().find(forged), None, "{errors}");
    assert!(errors.contains("verified session=f"), "the log tells of it: {errors}");
    assert!(run.end().await.success());
    chain.stop().unwrap();
}

/// Keys of RPC providers stand in paths and queries; no library's log shows them either.
#[tokio::test(flavor = "multi_thread")]
async fn the_most_talkative_log_level_withholds_keys() {
    const KEYS: [&str; 2] = ["KEYINTHEPATH4711", "KEYINTHEQUERY4711"];
    let folder = tempfile::tempdir().unwrap();
    let (chain, traffic, config) = configured_chain(folder.path()).await;
    let endpoint = chain.endpoint();
    let (http, socket) = (
        format!("{}/v2/{}", endpoint.http, KEYS[0]),
        format!("{}/?api-key={}", endpoint.ws, KEYS[1]),
    );
    let environment = [
        ("SESSION_BUILDER__RPC__URL", http.as_str()),
        ("SESSION_BUILDER__RPC__WS_URL", socket.as_str()),
    ];
    let mut run = Run::start_in(&environment, &["--config", &config, "--log-level", "trace"]);
    let errors = tokio::spawn(run.errors_to_the_end());
    run.line_of("listening").await;
    traffic.request(1).await.unwrap();
    assert_eq!(field(&run.line_of("verified ").await, "session"), "session-00001");
    run.interrupt().await;
    let lines = run.rest().await;
    assert!(run.end().await.success());
    let errors = errors.await.unwrap();
    assert!(errors.contains("TRACE"), "the level is in force");
    assert!(errors.contains("(withheld)"), "somebody would have told it");
    for key in KEYS {
        assert!(
            !errors.contains(key) && !lines.iter().any(|line| line.contains(key)),
            "{key}"
        );
    }
    chain.stop().unwrap();
}

#[tokio::test]
async fn a_level_that_is_none_is_refused() {
    let mut run = Run::start(&["demo", "--log-level", "verbose"]);
    assert_eq!(run.rest().await, Vec::<String>::new());
    let errors = run.errors().await;
    assert!(
        errors.contains("\"verbose\" is no level") && errors.contains("warn"),
        "{errors}"
    );
    assert!(!run.end().await.success());
    // "warning" is one: the defaults are read with it, and the log is not silent.
    assert!(Settings::defaults().is_ok());
}

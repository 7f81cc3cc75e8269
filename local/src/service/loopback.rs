//! Addresses of this machine are never asked of a proxy. The service's own clients know that; the embedded chain's and
//! AWS's go by the environment, which a process cannot change safely once it runs. So it begins again with a better one.

use std::{env, ffi::OsString, os::unix::process::CommandExt, process::Command};

/// Variables that name a proxy for HTTP.
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables that name what needs none. Which of the two a client reads differs.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// This machine.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// Replaces this process by itself where the environment would send calls to this machine through a proxy.
pub fn keep_direct() {
    if !PROXIES
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
    {
        return;
    }
    let Some(exceptions) = with_loopback(&EXCEPTIONS.map(|name| env::var(name).unwrap_or_default())) else {
        return;
    };
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    again.arg0(arguments.next().unwrap_or_else(|| OsString::from("session-builder")));
    again.args(arguments);
    again.envs(EXCEPTIONS.map(|name| (name, &exceptions)));
    // Returns only where the system refuses: the service's own clients are direct even so.
    let _refused = again.exec();
}

/// The exceptions with this machine among them, or nothing where both variables have it already.
fn with_loopback(given: &[String; 2]) -> Option<String> {
    let listed = |given: &str| given.split(',').map(|host| host.trim().to_owned()).collect::<Vec<_>>();
    let is_excepted = |given: &String| {
        let hosts = listed(given);
        hosts.iter().any(|host| host == "*") || LOOPBACK.iter().all(|host| hosts.iter().any(|given| given == host))
    };
    if given.iter().all(is_excepted) {
        return None;
    }
    let hosts = given
        .iter()
        .flat_map(|given| listed(given))
        .chain(LOOPBACK.map(str::to_owned));
    let mut all: Vec<String> = hosts.filter(|host| !host.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    Some(all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_added_once_and_nothing_is_taken_away() {
        let given = [String::from("corp.example, localhost"), String::new()];
        let better = with_loopback(&given).unwrap();
        assert_eq!(better, "127.0.0.1,::1,corp.example,localhost");
        assert_eq!(with_loopback(&[better.clone(), better]), None);
        assert_eq!(with_loopback(&["*", "*"].map(str::to_owned)), None);
    }
}

//! The connection to the edge: who is signed in, what went wrong, when to ask again.

use portico_protocol::problem::Problem;

/// Time between two reports.
pub(crate) const POLL_MS: u32 = 1_000;
/// A request without an answer by then has failed.
pub(crate) const DEADLINE_MS: u32 = 8_000;
const FIRST_RETRY_MS: f64 = 1_000.0;
const LAST_RETRY_MS: f64 = 30_000.0;

/// Where the session stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Session {
    /// A code from the link is being exchanged.
    SigningIn,
    /// There is a session, or none has been refused yet.
    Open,
    /// There is none.
    Out(Out),
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    /// None was ever there, or it has ended.
    None,
    /// The link was used before or is too old.
    LinkSpent,
    /// Signing in failed otherwise.
    Failed(Failure),
}

/// How the last request for the report went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Link {
    /// None has been answered yet.
    Connecting,
    /// Answered.
    Live,
    /// Failed; the next try comes in `delay_ms`.
    Retrying { failure: Failure, delay_ms: u32 },
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// The browser has no network.
    Offline,
    /// No answer came, or not in time.
    Unreachable,
    /// The edge refused it.
    Problem(Problem),
    /// The answer could not be read: this page and the edge are of different versions.
    Unreadable,
}

/// The problem in an error answer: the document the edge sent, or one made from the status.
pub(crate) fn problem(status: u16, body: &str) -> Problem {
    serde_json::from_str(body).unwrap_or_else(|_| Problem {
        kind: "about:blank".to_owned(),
        title: format!("HTTP {status}"),
        status,
        detail: String::new(),
        instance: None,
        errors: Vec::new(),
    })
}

/// Milliseconds before try number `failures` + 1: doubling, bounded, and shortened by up to a half at random so that
/// many consoles do not return to a recovering edge all at once. `random` is in 0..1.
pub(crate) fn retry_delay_ms(failures: u32, random: f64) -> u32 {
    let full = (FIRST_RETRY_MS * f64::from(1u32 << failures.saturating_sub(1).min(10))).min(LAST_RETRY_MS);
    (full * (1.0 - random / 2.0)) as u32
}

/// What a refused code means.
pub(crate) fn refused(problem: Problem) -> Out {
    match problem.status {
        400..=404 | 409 | 410 | 422 => Out::LinkSpent,
        _ => Out::Failed(Failure::Problem(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_double_up_to_a_bound() {
        fn check(failures: u32, random: f64, expect: u32) {
            assert_eq!(retry_delay_ms(failures, random), expect);
        }
        check(1, 0.0, 1_000);
        check(2, 0.0, 2_000);
        check(2, 1.0, 1_000);
        check(5, 0.5, 12_000);
        check(6, 0.0, 30_000);
        check(4_000_000, 0.0, 30_000);
    }

    #[test]
    fn an_answer_that_is_no_problem_document_still_says_something() {
        let problem = problem(502, "<html>Bad gateway</html>");
        assert_eq!((problem.status, problem.title.as_str()), (502, "HTTP 502"));
    }

    #[test]
    fn a_refused_code_is_a_spent_link_unless_the_edge_is_at_fault() {
        assert_eq!(refused(problem(401, "")), Out::LinkSpent);
        assert_eq!(refused(problem(410, "")), Out::LinkSpent);
        assert!(matches!(refused(problem(503, "")), Out::Failed(Failure::Problem(_))));
        assert!(matches!(refused(problem(429, "")), Out::Failed(Failure::Problem(_))));
    }
}

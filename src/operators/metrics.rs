//! Counts for scrapers, in Prometheus' text format (exposition format 0.0.4), which OpenMetrics' readers take as well.
//!
//! What holds here: a count only rises and never names anybody; names and units are those of the format's own advice
//! (Prometheus, "Metric and label naming").

use std::fmt::Write as _;

use protocol::operator::directory::Fleet;

use crate::reply::Reply;

/// The media type of the format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The counts of all people together.
#[must_use]
pub fn reply(fleet: &Fleet) -> Reply {
    let mut out = String::new();
    let tally = fleet.tally;
    let succeeded = tally.settled.saturating_sub(tally.failed).saturating_sub(tally.unknown);
    family(
        &mut out,
        "m365_requests_total",
        "counter",
        "Requests that were settled, by outcome.",
        &[
            ("{outcome=\"succeeded\"}", succeeded),
            ("{outcome=\"failed\"}", tally.failed),
            ("{outcome=\"unknown\"}", tally.unknown),
        ],
    );
    family(
        &mut out,
        "m365_people",
        "gauge",
        "People, by how they stand with Microsoft.",
        &[
            ("{standing=\"connected\"}", fleet.connected),
            ("{standing=\"must_act\"}", fleet.must_act),
            ("{standing=\"not_connected\"}", fleet.not_connected),
        ],
    );
    for (name, help, value) in [
        ("m365_people_attention", "People whom operators should look at.", fleet.attention),
        ("m365_people_paused", "People whose calls operators paused.", fleet.paused),
        ("m365_objects_unreadable", "Objects whose rows cannot be read.", fleet.unreadable),
        ("m365_sessions", "MCP sessions as last reported.", fleet.sessions),
        ("m365_streams", "Open streams as last reported.", fleet.streams),
        ("m365_calls_waiting", "Calls that wait for Microsoft as last reported.", fleet.waiting),
    ] {
        family(&mut out, name, "gauge", help, &[("", value)]);
    }
    let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    family(&mut out, "m365_build_info", "gauge", "The version of this program.", &[(version, 1)]);
    let mut reply = Reply::text(200, &out);
    for (name, value) in &mut reply.headers {
        if *name == "content-type" {
            MEDIA_TYPE.clone_into(value);
        }
    }
    reply
}

fn family(out: &mut String, name: &str, kind: &str, help: &str, samples: &[(&str, u64)]) {
    // Writing into a string cannot fail.
    let _infallible = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _infallible = writeln!(out, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use protocol::operator::directory::Tally;

    use super::*;

    #[test]
    fn each_family_is_described_once_and_every_line_is_of_the_format() {
        let tally = Tally { settled: 10, failed: 2, unknown: 1 };
        let reply = reply(&Fleet { people: 3, connected: 2, tally, ..Fleet::default() });
        assert!(reply.headers.contains(&("content-type", MEDIA_TYPE.to_owned())));
        for line in reply.body.lines() {
            let is_sample = line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<u64>().is_ok());
            assert!(
                line.starts_with("# HELP m365_") || line.starts_with("# TYPE m365_") || is_sample,
                "{line}"
            );
        }
        for line in ["m365_requests_total{outcome=\"succeeded\"} 7", "m365_people{standing=\"connected\"} 2"]
        {
            assert!(reply.body.lines().any(|known| known == line), "{line}");
        }
        assert_eq!(reply.body.matches("# TYPE m365_requests_total counter").count(), 1);
    }
}

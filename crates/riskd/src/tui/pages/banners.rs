//! What must not be overlooked, whatever tab is shown.

use jiff::Timestamp;

use super::super::app::App;
use super::super::wire::{Link, Overview};
use super::super::words;

/// Alarms that a banner of its own already tells of.
const TOLD_ALREADY: [&str; 2] = ["broker_link_down", "journal_failing"];

/// A line over the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Banner {
    /// What it says.
    pub(crate) text: String,
    /// Whether it is more than a warning.
    pub(crate) critical: bool,
}

impl Banner {
    fn critical(text: String) -> Self {
        Self { text, critical: true }
    }
}

/// Everything that is wrong, the worst first.
pub(crate) fn banners(app: &App) -> Vec<Banner> {
    let mut banners = Vec::new();
    let seen = app.overview.as_ref().map(|(overview, _)| words::time(overview.at, app.now, "UTC"));
    if let Some(why) = &app.unreachable {
        let old = seen.as_ref().map_or_else(String::new, |seen| format!(" Shown is what was at {seen}."));
        let why = words::tame(why);
        banners.push(Banner::critical(format!(
            "NO ANSWER FROM RISKD: PERHAPS NOTHING IS PROTECTED.{old} {}: {why}",
            app.address
        )));
    } else if let (Some(silence), Some(seen)) = (app.silence(), &seen) {
        let silence = words::span(silence);
        banners
            .push(Banner::critical(format!("STALE: riskd has been silent for {silence}. Shown is what was at {seen}")));
    }
    if let Some((overview, _)) = &app.overview {
        of_daemon(overview, app.now, &mut banners);
    }
    banners
}

fn of_daemon(overview: &Overview, now: Timestamp, banners: &mut Vec<Banner>) {
    let daemon = &overview.daemon;
    match daemon.phase.as_str() {
        "opening" | "connecting" => {
            let phase = words::tame(&daemon.phase);
            banners.push(Banner::critical(format!("NOTHING IS PROTECTED YET: riskd is still {phase}")));
        }
        _ => {
            banners.extend(down("user hub", &daemon.links.user, "fills and orders do not arrive", now));
            banners.extend(down("market hub", &daemon.links.market, "quotes do not arrive", now));
            let links_up = daemon.links.user.up && daemon.links.market.up;
            if !daemon.protected && links_up && !daemon.journal.failing {
                banners.push(Banner::critical("NOT PROTECTED: riskd cannot enforce at the moment".to_owned()));
            }
        }
    }
    if daemon.journal.failing {
        let text = "DATABASE TAKES NO WRITES: protection goes on, nothing is unlocked. Is the disk full?";
        banners.push(Banner::critical(text.to_owned()));
    }
    let mut alarms: Vec<Banner> = daemon
        .alarms
        .iter()
        .filter(|alarm| !TOLD_ALREADY.contains(&alarm.code.as_str()))
        .map(|alarm| Banner {
            critical: alarm.severity == "critical",
            text: format!(
                "{} {}: {}",
                alarm.severity.to_uppercase(),
                words::tame(&alarm.code),
                words::tame(&alarm.message)
            ),
        })
        .collect();
    alarms.sort_by_key(|banner| !banner.critical);
    banners.append(&mut alarms);
}

fn down(name: &str, link: &Link, means: &str, now: Timestamp) -> Option<Banner> {
    if link.up {
        return None;
    }
    let since = link.since.map_or_else(String::new, |since| format!(" for {}", words::span(now.duration_since(since))));
    Some(Banner::critical(format!("BROKER LINK DOWN: {name}{since}; {means}")))
}

//! `/metrics`: what Prometheus reads, written by hand: the figures lie ready in the newest picture, and a registry would
//! only copy them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use riskd_gateway::client::Priority;
use riskd_store::{HEAD_VERSION, VersionRow};

use super::shared::Shared;
use crate::daemon::publish::Picture;
use crate::daemon::{Histogram, Phase};

/// Everything that is counted and measured.
#[utoipa::path(get, path = "/metrics", tag = "watch", responses(
    (status = 200, body = String, content_type = "text/plain; version=0.0.4"),
    (status = "4XX", body = super::problem::Problem, content_type = "application/problem+json"),
))]
pub(super) async fn metrics(state: State<Arc<Shared>>) -> Response {
    let shared = &state.0;
    let phase = *shared.phase.borrow();
    let versions = shared.store.ask(phase, "schema_versions", |reader| reader.schema_versions()).await.ok();
    let mut page = Page::default();
    of_the_daemon(&mut page, shared, phase);
    of_the_schema(&mut page, versions.as_deref());
    if let Some(picture) = shared.picture() {
        of_accounts(&mut page, &picture);
        of_enforcement(&mut page, &picture);
        of_the_broker(&mut page, &picture);
        of_the_alerts(&mut page, &picture);
    }
    of_the_store(&mut page, shared);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.text).into_response()
}

/// The text, family by family.
#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins a family of figures.
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _written = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A figure of the family.
    fn figure(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.line("", labels, value);
    }

    /// A family of one figure.
    fn single(&mut self, name: &'static str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.figure(&[], value);
    }

    fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let buckets = histogram.cumulative().map(|(bound, count)| (bound.to_string(), count));
        for (bound, count) in buckets.chain([("+Inf".to_owned(), histogram.count())]) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.line("_bucket", &labels, count);
        }
        self.line("_sum", labels, histogram.sum_s());
        self.line("_count", labels, histogram.count());
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _written = write!(self.text, "{}{name}=\"{value}\"", if index == 0 { '{' } else { ',' });
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _written = writeln!(self.text, "{close} {value}");
    }
}

fn of_the_daemon(page: &mut Page, shared: &Shared, phase: Phase) {
    page.family("riskd_info", "gauge", "The program's version.");
    page.figure(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single(
        "riskd_start_time_seconds",
        "gauge",
        "When the daemon was started, in seconds since 1970.",
        shared.started_at.as_second(),
    );
    let watching = u8::from(phase == Phase::Watching && !super::health::is_hung(shared));
    page.single("riskd_watching", "gauge", "1 while accounts are watched and the loop turns.", watching);
    let traffic = &shared.traffic;
    page.single(
        "riskd_api_requests_total",
        "counter",
        "Requests to the API.",
        traffic.requests.load(Ordering::Relaxed),
    );
    page.single(
        "riskd_api_requests_refused_total",
        "counter",
        "Requests to the API that were refused: wrong host, another site, no token, too many.",
        traffic.refused.load(Ordering::Relaxed),
    );
    page.single("riskd_api_streams", "gauge", "Live streams that are open.", traffic.streams.load(Ordering::Relaxed));
}

fn of_the_schema(page: &mut Page, versions: Option<&[VersionRow]>) {
    let Some(versions) = versions else { return };
    let current = versions.iter().filter(|row| row.success).max_by_key(|row| row.version);
    let version = current.map_or(0, |row| row.version);
    page.single("riskd_schema_version", "gauge", "The version of the database's schema.", version);
    page.single(
        "riskd_schema_mismatch",
        "gauge",
        "1 when that is not the version this program works with.",
        u8::from(version != HEAD_VERSION),
    );
    let failed = versions.iter().filter(|row| !row.success).count();
    page.single("riskd_migrations_failed_total", "counter", "Migrations that failed, as the database records.", failed);
    if let Some(row) = current {
        if let Ok(at) = row.applied_at.parse::<jiff::Timestamp>() {
            let help = "When the schema reached its version, in seconds since 1970.";
            page.single("riskd_last_migration_time_seconds", "gauge", help, at.as_second());
        }
        if let Some(elapsed_ms) = row.execution_time_ms {
            let help = "What the last migration took.";
            page.single("riskd_last_migration_duration_seconds", "gauge", help, elapsed_ms as f64 / 1e3);
        }
    }
}

fn of_accounts(page: &mut Page, picture: &Picture) {
    let accounts = &picture.accounts;
    page.single("riskd_accounts", "gauge", "Accounts that are protected.", accounts.len());
    let locked = accounts.iter().filter(|account| account.lockout.is_some()).count();
    page.single("riskd_accounts_locked", "gauge", "Accounts that are locked.", locked);
    let uncertain = accounts.iter().filter(|account| !account.certain).count();
    page.single(
        "riskd_accounts_uncertain",
        "gauge",
        "Accounts whose positions and orders are not known for certain.",
        uncertain,
    );
    let not_armed: usize = accounts.iter().map(|account| account.not_armed().count()).sum();
    page.single("riskd_rules_not_armed", "gauge", "Rules that are not armed, over all accounts.", not_armed);
    page.family("riskd_account_nearest_limit_ratio", "gauge", "How much of its nearest limit an account has used up.");
    for account in accounts.iter() {
        if let Some(nearest) = account.gauges.first() {
            let (id, rule) = (account.account_id.to_string(), nearest.rule_id.to_string());
            page.figure(&[("account", &id), ("rule", &rule)], nearest.gauge.fraction().clamp(-1e3, 1e3));
        }
    }
    page.family("riskd_quote_age_seconds", "gauge", "Age of the newest quote of each contract that is held.");
    for market in picture.markets.iter().filter(|market| market.holders > 0) {
        if let Some(quoted_at) = market.quoted_at {
            let age_s = picture.at.duration_since(quoted_at).as_secs_f64().max(0.0);
            page.figure(&[("contract", market.contract_id.as_str())], age_s);
        }
    }
}

fn of_enforcement(page: &mut Page, picture: &Picture) {
    let counts = &picture.counts;
    let pending: usize = picture.accounts.iter().map(|account| account.pending_enforcements).sum();
    page.single("riskd_enforcements_pending", "gauge", "Enforcements that the broker has not confirmed.", pending);
    page.family("riskd_breaches_total", "counter", "Breaches by rule.");
    for (rule_id, count) in &counts.breaches {
        page.figure(&[("rule", &rule_id.to_string())], count);
    }
    page.family(
        "riskd_enforcement_duration_seconds",
        "histogram",
        "From the decision to the broker's confirmation, by rule.",
    );
    for (rule_id, histogram) in &counts.confirmed {
        page.histogram(&[("rule", &rule_id.to_string())], histogram);
    }
    page.family(
        "riskd_enforcement_failures_total",
        "counter",
        "Enforcements not confirmed in time, by rule; the attempts go on.",
    );
    for (rule_id, count) in &counts.enforcements_failed {
        page.figure(&[("rule", &rule_id.to_string())], count);
    }
    page.family("riskd_decision_duration_seconds", "histogram", "From an event to every decision about it.");
    page.histogram(&[], &counts.decisions);
    page.family("riskd_validation_failures_total", "counter", "Payloads that failed their checks, by type and rule.");
    for ((noun, rule), count) in &counts.refused {
        page.figure(&[("type", noun.name()), ("error", rule)], count);
    }
    page.single("riskd_prices_off_tick_grid_total", "counter", "Prices off their tick grid.", counts.off_tick_grid);
    page.single("riskd_event_queue_depth", "gauge", "Events that wait to be taken in.", picture.queue_depth);
    page.single(
        "riskd_quotes_conflated_total",
        "counter",
        "Quotes merged into newer ones while they waited.",
        picture.quotes_conflated,
    );
}

fn of_the_broker(page: &mut Page, picture: &Picture) {
    let links = [("user", picture.user_link), ("market", picture.market_link)];
    page.family("riskd_link_up", "gauge", "1 while the link to the broker's hub is up.");
    for (hub, link) in links {
        page.figure(&[("hub", hub)], u8::from(link.up));
    }
    page.family("riskd_reconnects_total", "counter", "How often the link to a hub came up again.");
    for ((hub, _), connections) in links.iter().zip(picture.counts.connections) {
        page.figure(&[("hub", hub)], connections.saturating_sub(1));
    }
    let failed = picture.counts.requests_failed;
    page.single(
        "riskd_broker_requests_failed_total",
        "counter",
        "Requests of the engine to the broker that failed.",
        failed,
    );
    let Some(gateway) = &picture.gateway else { return };
    page.family("riskd_rest_calls_total", "counter", "Calls to the broker's REST interface, by endpoint and outcome.");
    for ((endpoint, outcome), count) in gateway.call_counts() {
        page.figure(&[("endpoint", endpoint), ("outcome", outcome)], count);
    }
    page.family("riskd_rest_budget_calls", "gauge", "Calls that could go out at this moment, by priority.");
    for (name, priority) in
        [("ordinary", Priority::Ordinary), ("snapshot", Priority::Snapshot), ("enforcement", Priority::Enforcement)]
    {
        page.figure(&[("priority", name)], gateway.rate_limit_room(priority));
    }
}

fn of_the_alerts(page: &mut Page, picture: &Picture) {
    page.family("riskd_alarms", "gauge", "What is wrong now, by code and severity.");
    let mut alarms: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for alarm in super::overview::alarms(picture) {
        *alarms.entry((alarm.code, alarm.severity.name())).or_default() += 1;
    }
    for ((code, severity), count) in alarms {
        page.figure(&[("code", code), ("severity", severity)], count);
    }
    let channels = picture.alerts.as_ref().map(|alerts| alerts.channels()).unwrap_or_default();
    page.family("riskd_alerts_total", "counter", "Messages to alert channels, by what became of them.");
    for channel in channels {
        let outcomes = [("delivered", channel.delivered), ("failed", channel.failed), ("dropped", channel.dropped)];
        for (outcome, count) in outcomes {
            page.figure(&[("channel", &channel.name), ("outcome", outcome)], count);
        }
    }
}

fn of_the_store(page: &mut Page, shared: &Shared) {
    let (failing, failed) =
        shared.seen.borrow().as_ref().map_or((false, 0), |seen| {
            (seen.picture.journal_failing_since.is_some(), seen.picture.counts.writes_failed)
        });
    page.single("riskd_journal_failing", "gauge", "1 while the state database takes no writes.", u8::from(failing));
    page.single("riskd_writes_failed_total", "counter", "Batches that the state database did not take.", failed);
    let counts = shared.store.counts();
    page.family("riskd_queries_total", "counter", "Queries of the API to the state database.");
    for (query, counts) in &counts {
        page.figure(&[("query", query)], counts.count);
    }
    page.family("riskd_slow_queries_total", "counter", "Those of them that took 100 ms or more.");
    for (query, counts) in &counts {
        page.figure(&[("query", query)], counts.slow);
    }
    page.family("riskd_query_seconds_total", "counter", "Time that queries took.");
    for (query, counts) in &counts {
        page.figure(&[("query", query)], counts.total.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::daemon::Counts;

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let mut page = Page::default();
        page.family("x_total", "counter", "An x.");
        page.figure(&[("a", "1"), ("b", "say \"hi\"\\\n")], 3);
        page.single("y", "gauge", "A y.", 1.5);
        let expected = "# HELP x_total An x.\n# TYPE x_total counter\nx_total{a=\"1\",b=\"say \\\"hi\\\"\\\\\\n\"} 3\n\
                        # HELP y A y.\n# TYPE y gauge\ny 1.5\n";
        assert_eq!(page.text, expected);
    }

    #[test]
    fn a_histogram_ends_with_everything() {
        let mut page = Page::default();
        let mut decisions = Counts::default().decisions;
        decisions.record(Duration::from_micros(3));
        decisions.record(Duration::from_secs(5));
        page.family("d", "histogram", "D.");
        page.histogram(&[("r", "1")], &decisions);
        for line in [
            "d_bucket{r=\"1\",le=\"0.0000025\"} 0",
            "d_bucket{r=\"1\",le=\"0.000005\"} 1",
            "d_bucket{r=\"1\",le=\"1\"} 1",
            "d_bucket{r=\"1\",le=\"+Inf\"} 2",
            "d_sum{r=\"1\"} 5.000003",
            "d_count{r=\"1\"} 2",
        ] {
            assert!(page.text.lines().any(|written| written == line), "{line} is not in\n{}", page.text);
        }
    }
}

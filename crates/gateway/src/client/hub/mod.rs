//! One hub, kept connected for ever.
//!
//! Connects, shakes hands, subscribes to everything asked for, and puts what the hub says into the queue. When the
//! connection is lost, for whatever reason, it says so and starts again. SignalR repeats nothing: after
//! [`Event::Link`] with `up`, the state of the accounts has to be asked for over REST.

mod inbox;
mod session;
mod silence;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use riskd_core::engine::{Event, Hub};
use riskd_core::model::{AccountId, ContractId};
use tokio::sync::watch;

use super::queue::EventSender;
use super::reconnect::Reconnect;
use super::rest::Gateway;
use session::{Ending, Session};

/// What to be told of. The user hub looks at the accounts, the market hub at the contracts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscriptions {
    /// Accounts whose orders, positions and trades are wanted.
    pub accounts: BTreeSet<AccountId>,
    /// Contracts whose quotes are wanted.
    pub contracts: BTreeSet<ContractId>,
}

/// Keeps `hub` connected until `shutdown`, or until nobody takes events out of the queue any more.
///
/// Puts [`Event::Link`] with `up` into the queue only when every subscription has been made and answered, and with
/// `up` false when such a connection is lost. Accounts that are added later are subscribed to on the living connection;
/// then `up` comes once more, because their state has to be asked for, too. Removed ones are unsubscribed from.
pub async fn run(
    hub: Hub,
    gateway: Gateway,
    mut subscriptions: watch::Receiver<Subscriptions>,
    events: EventSender,
    shutdown: impl Future<Output = ()>,
) {
    tokio::pin!(shutdown);
    let mut reconnect = Reconnect::new(gateway.inner.config.reconnect.clone());
    loop {
        let delay_ms = reconnect.next_delay_ms(gateway.inner.jitter.fraction());
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(Duration::from_millis(delay_ms)) => {}
        }
        if events.is_closed() {
            return;
        }
        let opened = tokio::select! {
            () = &mut shutdown => return,
            opened = Session::open(hub, &gateway, &mut subscriptions, &events) => opened,
        };
        let (was_up, ending) = match opened {
            Err(reason) => (false, Ending::Lost(reason)),
            Ok(mut session) => {
                let ending = session.serve(&mut subscriptions, &mut reconnect, shutdown.as_mut()).await;
                (session.is_up(), ending)
            }
        };
        reconnect.disconnected((gateway.inner.clock)());
        if was_up {
            events.push(Event::Link { hub, up: false });
        }
        match ending {
            Ending::Shutdown => return,
            Ending::Lost(reason) => tracing::warn!(%hub, %reason, "the connection is down"),
        }
    }
}

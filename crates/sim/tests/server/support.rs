//! A plain client: HTTP, and a WebSocket that reads one record after the other.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use riskd_core::model::{AccountId, ContractId, Price};
use riskd_sim::exchange::{AccountRecord, ExchangeConfig, contract_id};
use riskd_sim::server::{RequestLimits, Simulator, SimulatorConfig};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const ACCOUNT: AccountId = AccountId(1001);

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it should have happened long ago")
}

pub(crate) fn es() -> ContractId {
    contract_id("ES").unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(crate) fn config() -> SimulatorConfig {
    let accounts = vec![AccountRecord::new(1001, "SIM-1001"), AccountRecord::new(1002, "SIM-1002")];
    let exchange = ExchangeConfig { accounts, ..ExchangeConfig::default() };
    SimulatorConfig { exchange, limits: RequestLimits::NONE, ..SimulatorConfig::default() }
}

pub(crate) async fn start(config: SimulatorConfig) -> Simulator {
    Simulator::start(config).await.unwrap()
}

/// A simulator where ES trades at 2670.50, and a client that is logged in.
pub(crate) async fn start_trading() -> (Simulator, Client) {
    let simulator = start(config()).await;
    simulator.controls.tick(&es(), price("2670.50")).unwrap();
    let client = Client::logged_in(&simulator).await;
    (simulator, client)
}

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: String,
    pub(crate) token: Option<String>,
}

impl Client {
    pub(crate) fn new(simulator: &Simulator) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base_url: simulator.base_url.clone(), token: None }
    }

    pub(crate) async fn logged_in(simulator: &Simulator) -> Self {
        let mut client = Self::new(simulator);
        let login = json!({ "userName": simulator.user_name, "apiKey": simulator.api_key });
        let (status, answer) = client.post("Auth/loginKey", login).await;
        assert_eq!((status, &answer["success"]), (200, &json!(true)));
        client.token = Some(answer["token"].as_str().unwrap().to_owned());
        client
    }

    pub(crate) async fn try_post(&self, path: &str, body: String) -> reqwest::Result<(u16, String)> {
        let mut request = self.http.post(format!("{}/api/{path}", self.base_url));
        request = request.header("content-type", "application/json").body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = soon(request.send()).await?;
        let status = response.status().as_u16();
        Ok((status, soon(response.text()).await?))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let (status, text) = self.try_post(path, body.to_string()).await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Posts and says success, error code and the rest.
    pub(crate) async fn ask(&self, path: &str, body: Value) -> (bool, i64, Value) {
        let (status, answer) = self.post(path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        (answer["success"].as_bool().unwrap(), answer["errorCode"].as_i64().unwrap(), answer)
    }

    pub(crate) async fn place(&self, side: i64, size: i64) -> i64 {
        let order = json!({ "accountId": 1001, "contractId": es().as_str(), "type": 2, "side": side, "size": size });
        let (success, _, answer) = self.ask("Order/place", order).await;
        assert!(success, "{answer}");
        answer["orderId"].as_i64().unwrap()
    }

    pub(crate) async fn user_hub(&self, simulator: &Simulator) -> HubClient {
        HubClient::shaken_hands(&format!("{}?access_token={}", simulator.user_hub_url, self.token.as_ref().unwrap()))
            .await
    }

    pub(crate) async fn market_hub(&self, simulator: &Simulator) -> HubClient {
        HubClient::shaken_hands(&format!("{}?access_token={}", simulator.market_hub_url, self.token.as_ref().unwrap()))
            .await
    }
}

pub(crate) struct HubClient {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    unread: String,
    records: VecDeque<String>,
}

impl HubClient {
    pub(crate) async fn open(url: &str) -> Self {
        let (socket, _) = soon(connect_async(url)).await.unwrap();
        Self { socket, unread: String::new(), records: VecDeque::new() }
    }

    pub(crate) async fn shaken_hands(url: &str) -> Self {
        let mut hub = Self::open(url).await;
        hub.send("{\"protocol\":\"json\",\"version\":1}\u{1e}").await;
        assert_eq!(hub.record().await.unwrap(), "{}");
        hub
    }

    pub(crate) async fn send(&mut self, text: &str) {
        soon(self.socket.send(Message::Text(text.into()))).await.unwrap();
    }

    /// The next record; none when the connection has ended.
    pub(crate) async fn record(&mut self) -> Option<String> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Some(record);
            }
            match soon(self.socket.next()).await? {
                Ok(Message::Text(text)) => self.unread.push_str(&text),
                Ok(Message::Binary(bytes)) => self.unread.push_str(std::str::from_utf8(&bytes).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
            while let Some((record, rest)) = self.unread.split_once('\u{1e}') {
                self.records.push_back(record.to_owned());
                self.unread = rest.to_owned();
            }
        }
    }

    /// The next message that is not a ping.
    pub(crate) async fn message(&mut self) -> Value {
        loop {
            let record = self.record().await.expect("the hub has hung up");
            let message: Value = serde_json::from_str(&record).unwrap();
            if message["type"] != 6 {
                return message;
            }
        }
    }

    /// The arguments of the next event, which must be this one.
    pub(crate) async fn event(&mut self, target: &str) -> Value {
        let message = self.message().await;
        assert_eq!((&message["type"], &message["target"]), (&json!(1), &json!(target)), "{message}");
        message["arguments"].clone()
    }

    /// Calls a method and waits for its completion; the error, if there was one.
    pub(crate) async fn invoke(&mut self, target: &str, arguments: Value) -> Option<String> {
        let call = json!({ "type": 1, "invocationId": "i1", "target": target, "arguments": arguments });
        self.send(&format!("{call}\u{1e}")).await;
        let answer = self.message().await;
        assert_eq!((&answer["type"], &answer["invocationId"]), (&json!(3), &json!("i1")), "{answer}");
        answer["error"].as_str().map(str::to_owned)
    }

    pub(crate) async fn subscribe(&mut self, target: &str, arguments: Value) {
        assert_eq!(self.invoke(target, arguments).await, None, "{target}");
    }
}

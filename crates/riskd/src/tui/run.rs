//! The loop of the terminal: keys, the daemon's words and the clock go into the state, the state onto the screen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event as TerminalEvent};
use ratatui::layout::Size;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::app::{Answer, App, Event, Question, Tab};
use super::client::Client;
use super::keys::{Command, of_key, of_mouse};
use super::terminal::Screen;
use super::{draw, words};

/// Time between two frames when nothing happens: countdowns go on.
const FRAME: Duration = Duration::from_millis(250);
/// How long the keyboard is listened to before the end is thought of.
const LISTEN: Duration = Duration::from_millis(100);
/// Events that may wait.
const QUEUE: usize = 1_024;
/// Height and width that one frame as text never passes.
const LARGEST_FRAME: Size = Size { width: 400, height: 5_000 };

/// Something from outside.
enum Input {
    Daemon(Event),
    Terminal(TerminalEvent),
    /// The terminal is gone.
    Gone,
}

/// Shows the daemon's state until told to leave. `fail_after` is for tests: so many frames, then a panic.
///
/// # Errors
///
/// When the terminal cannot be used.
pub async fn run(client: Client, tab: Tab, colour: bool, fail_after: Option<u32>) -> std::io::Result<()> {
    let mut ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal).into_iter();
    let (Some(interrupt), Some(terminate), Some(hangup)) = (ends.next(), ends.next(), ends.next()) else {
        return Ok(());
    };
    let (mut interrupt, mut terminate, mut hangup) = (interrupt?, terminate?, hangup?);
    let mut screen = Screen::take()?;
    let size = screen.terminal.size()?;
    let mut app = App::new(client.address(), size, Timestamp::now());
    app.tab = tab;
    let (inputs, mut inbox) = mpsc::channel(QUEUE);
    let done = Arc::new(AtomicBool::new(false));
    let keyboard = std::thread::spawn(listen(inputs.clone(), Arc::clone(&done)));
    let follower = tokio::spawn(follow(client.clone(), inputs.clone()));
    let mut frames = 0;
    let mut tick = tokio::time::interval(FRAME);
    while !app.quit {
        screen.terminal.draw(|frame| draw(frame, &app, colour))?;
        frames += 1;
        assert!(fail_after.is_none_or(|most| frames < most), "asked to fail after {frames} frames");
        tokio::select! {
            Some(input) = inbox.recv() => {
                take(&mut app, input);
                // What came meanwhile is one frame, not many.
                while let Ok(input) = inbox.try_recv() {
                    take(&mut app, input);
                }
            }
            _ = tick.tick() => app.take(Event::Tick, Timestamp::now()),
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
        }
        for question in app.wanted() {
            tokio::spawn(ask(client.clone(), question, inputs.clone()));
        }
    }
    done.store(true, Ordering::SeqCst);
    follower.abort();
    drop(screen);
    // It looks up every tenth of a second.
    let _panicked = keyboard.join();
    Ok(())
}

fn take(app: &mut App, input: Input) {
    let event = match input {
        Input::Daemon(event) => Some(event),
        Input::Gone => Some(Event::Command(Command::Quit)),
        Input::Terminal(TerminalEvent::Key(key)) => of_key(key, &app.typing).map(Event::Command),
        Input::Terminal(TerminalEvent::Mouse(mouse)) => of_mouse(mouse, app).map(Event::Command),
        Input::Terminal(TerminalEvent::Resize(width, height)) => Some(Event::Resized(Size::new(width, height))),
        Input::Terminal(_) => None,
    };
    if let Some(event) = event {
        app.take(event, Timestamp::now());
    }
}

/// Reads the keyboard and the mouse, in a thread of its own, until `done`.
fn listen(inputs: mpsc::Sender<Input>, done: Arc<AtomicBool>) -> impl FnOnce() + Send {
    move || {
        while !done.load(Ordering::SeqCst) {
            let input = match event::poll(LISTEN) {
                Ok(false) => continue,
                Ok(true) => event::read().map(Input::Terminal).unwrap_or(Input::Gone),
                Err(_) => Input::Gone,
            };
            let gone = matches!(input, Input::Gone);
            if inputs.blocking_send(input).is_err() || gone {
                return;
            }
        }
    }
}

async fn follow(client: Client, inputs: mpsc::Sender<Input>) {
    let (events, mut inbox) = mpsc::channel(QUEUE);
    let listening = client.follow(events);
    let handing_on = async {
        while let Some(event) = inbox.recv().await {
            if inputs.send(Input::Daemon(event)).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(listening, handing_on);
}

async fn ask(client: Client, question: Question, inputs: mpsc::Sender<Input>) {
    let answer = client.ask(question).await;
    // The terminal was left meanwhile: nobody wants to know.
    let _left = inputs.send(Input::Daemon(Event::Answered(question, answer))).await;
}

/// One frame of a tab as text, as high as it needs to be.
///
/// # Errors
///
/// Why the daemon does not answer, in words.
pub async fn once(client: &Client, tab: Tab, account_id: Option<i64>, width: u16) -> Result<String, String> {
    let width = width.clamp(40, LARGEST_FRAME.width);
    let overview = client.overview().await?;
    let now = Timestamp::now();
    let mut app = App::new(client.address(), Size::new(width, 40), now);
    app.tab = tab;
    app.account_id = account_id;
    app.take(Event::Overview(Box::new(overview)), now);
    for question in app.wanted() {
        let answer: Answer = client.ask(question).await?;
        app.take(Event::Answered(question, Ok(answer)), now);
    }
    let (page, _) = app.page(usize::from(width));
    let lines = page.head.len() + page.rows.len() + 8;
    let height = u16::try_from(lines).unwrap_or(u16::MAX).clamp(24, LARGEST_FRAME.height);
    app.size = Size::new(width, height);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(|error| error.to_string())?;
    terminal.draw(|frame| draw(frame, &app, false)).map_err(|error| error.to_string())?;
    Ok(words::screen_text(terminal.backend().buffer()))
}

//! Recomputes, from the exchange's own books, what must have been enforced, and judges what was.
//!
//! The oracle is told three kinds of things: what happened on the exchange, what the program decided and wrote down, and
//! when something was in the way. It judges:
//!
//! * **Nothing is missed.** A term broken for [`REACT_MS`] with nothing in the way has been decided about.
//! * **It ends.** With nothing in the way for [`BOUND_MS`], no term stays broken, and a locked account is flat.
//! * **Nobody is touched without cause.** Every breach that is decided was one in the books. While something is in the
//!   way the program may act on old news; accounts that no news could make look broken are judged all the same.
//! * **A lock lasts as long as its rule says, and never shortens.**
//! * **One row a breach**, confirmed only by a look, asked for after the decision, that showed its aim.
//! * **No close beside a close**: what is on its way never adds up to more than the position.
//!
//! Architecture invariant: no code of the rules or the engine is used here, and of the exchange only its records.

mod books;
mod day;
mod judge;
mod rows;
mod terms;

pub use day::DayTurn;
pub use judge::{AccountTerms, BOUND_MS, Judgement, Oracle, REACT_MS};
pub use rows::Seen;
pub use terms::{Lasts, Term};

//! What is done to a disk, and how it can fail.

use std::path::PathBuf;

/// What is done to a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Open,
    Create,
    Read,
    Write,
    Truncate,
    Sync,
    SyncFolder,
    Size,
    Look,
    Remove,
    Rename,
    Link,
    MakeFolder,
    SetMode,
    Lock,
    Unlock,
    MapShared,
    LockShared,
}

impl Act {
    /// Whether it leaves anything else on the disk. Dying before one that does not is dying before the next that does.
    pub(crate) fn changes(self) -> bool {
        match self {
            Self::Create
            | Self::Write
            | Self::Truncate
            | Self::Sync
            | Self::SyncFolder
            | Self::Remove
            | Self::Rename
            | Self::Link
            | Self::MakeFolder
            | Self::SetMode => true,
            Self::Open
            | Self::Read
            | Self::Size
            | Self::Look
            | Self::Lock
            | Self::Unlock
            | Self::MapShared
            | Self::LockShared => false,
        }
    }

    /// Whether it may need room that the disk does not have.
    pub(crate) fn needs_room(self) -> bool {
        matches!(self, Self::Create | Self::Write | Self::Link | Self::MakeFolder | Self::MapShared)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The operation fails, the disk works on.
    InputOutput,
    /// From this operation on, every operation fails; the process lives to tell of it.
    Gone,
    /// From this operation on, nothing grows.
    NoSpace,
    /// Half of the bytes are written, and the operation says so; the disk works on.
    ShortWrite,
    /// The process dies before the operation; what it wrote stays.
    Kill,
    /// The process dies in the middle of a write: half of its bytes stay.
    Tear,
    /// The power goes: what was not synced is gone.
    PowerCut,
    /// The power goes: of what was not synced, some is there and some is not, in any order, sectors torn.
    Reorder,
    /// The operation waits until others have got on.
    Delay,
    /// Somebody asks to stop just then.
    Interrupt,
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::InputOutput,
        Self::Gone,
        Self::NoSpace,
        Self::ShortWrite,
        Self::Kill,
        Self::Tear,
        Self::PowerCut,
        Self::Reorder,
        Self::Delay,
        Self::Interrupt,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InputOutput => "io-error",
            Self::Gone => "disk-gone",
            Self::NoSpace => "no-space",
            Self::ShortWrite => "short-write",
            Self::Kill => "kill",
            Self::Tear => "tear",
            Self::PowerCut => "power-cut",
            Self::Reorder => "reorder",
            Self::Delay => "delay",
            Self::Interrupt => "interrupt",
        }
    }

    /// Whether nothing has an effect from the operation on. Then one that only reads leaves what the next change does.
    pub(crate) fn is_final(self) -> bool {
        self.is_death() || self == Self::Gone
    }

    /// Whether the process does not live to see the end of the operation.
    pub(crate) fn is_death(self) -> bool {
        matches!(self, Self::Kill | Self::Tear | Self::PowerCut | Self::Reorder)
    }

    pub(crate) fn loses_unsynced(self) -> bool {
        matches!(self, Self::PowerCut | Self::Reorder)
    }

    /// Whether it means anything at such an operation at all.
    pub(crate) fn can_hit(self, act: Act) -> bool {
        match self {
            Self::NoSpace => act.needs_room(),
            Self::ShortWrite | Self::Tear => act == Act::Write,
            Self::InputOutput
            | Self::Gone
            | Self::Kill
            | Self::PowerCut
            | Self::Reorder
            | Self::Delay
            | Self::Interrupt => true,
        }
    }
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) act: Act,
    /// On which file, relative to the disk's root.
    pub(crate) path: PathBuf,
}

/// Where the fault comes: which thread, in the order in which they first use the disk, and its how-manyeth operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) lane: usize,
    pub(crate) number: usize,
}

/// What the caller has to do about an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    Fail,
    Full,
    /// Do half of it, then say that there is no room.
    Half,
}

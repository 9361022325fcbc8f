//! A disk that keeps count of what is done to it, fails where it is told to, and knows what a power cut would leave.
//!
//! The files themselves are real and hold what a process that is killed would leave: everything that was written. Beside
//! them this model keeps what is *durable*: the bytes of each file at its last sync with the changes since, and the names
//! of each folder at its last sync with the changes since. From that it tells what is there after a power cut.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::ThreadId;
use std::time::Duration;

use riskd_store::Interrupt;

mod act;

pub(crate) use act::{Act, Fault, Operation, Place, Verdict};

pub(crate) type NodeId = usize;

/// A folder of the real file system whose operations are watched.
pub(crate) struct Disk {
    root: PathBuf,
    state: Mutex<State>,
    progress: Condvar,
}

struct State {
    plan: Option<(Place, Fault)>,
    interrupt: Interrupt,
    lanes: Vec<(ThreadId, Vec<Operation>)>,
    hit: Option<Operation>,
    dead: bool,
    full: bool,
    nodes: Vec<Node>,
    live: BTreeMap<PathBuf, NodeId>,
    folders: BTreeMap<PathBuf, Folder>,
}

#[derive(Default)]
struct Node {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Default)]
struct Folder {
    durable: BTreeMap<OsString, Entry>,
    pending: Vec<NameChange>,
}

#[derive(Clone, Copy)]
enum Entry {
    File(NodeId),
    Folder,
}

enum NameChange {
    Set(OsString, Entry),
    Clear(OsString),
    Rename(OsString, OsString, Entry),
}

/// What is on a disk: folders, and files with their bytes.
pub(crate) struct Remains {
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
}

static DISKS: RwLock<Vec<Arc<Disk>>> = RwLock::new(Vec::new());

/// The disk that a path is on, if it is watched.
pub(crate) fn disk_of(path: &Path) -> Option<Arc<Disk>> {
    let disks = DISKS.read().unwrap_or_else(PoisonError::into_inner);
    disks.iter().find(|disk| path.starts_with(&disk.root)).cloned()
}

/// A disk that is watched for as long as this lives.
pub(crate) struct Watched(pub(crate) Arc<Disk>);

impl Watched {
    /// Watches the folder `root`, all of which is taken to be durable.
    pub(crate) fn new(root: &Path, plan: Option<(Place, Fault)>, interrupt: Interrupt) -> Self {
        let mut state = State {
            plan,
            interrupt,
            lanes: Vec::new(),
            hit: None,
            dead: false,
            full: false,
            nodes: Vec::new(),
            live: BTreeMap::new(),
            folders: BTreeMap::new(),
        };
        state.scan(root);
        let disk = Arc::new(Disk { root: root.to_owned(), state: Mutex::new(state), progress: Condvar::new() });
        DISKS.write().unwrap_or_else(PoisonError::into_inner).push(disk.clone());
        Self(disk)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        DISKS.write().unwrap_or_else(PoisonError::into_inner).retain(|disk| !Arc::ptr_eq(disk, &self.0));
    }
}

impl Disk {
    /// Counts an operation and says what shall become of it. `grows` says whether it needs more room.
    pub(crate) fn enter(&self, act: Act, path: &Path, grows: bool) -> Verdict {
        let mut state = self.state();
        let place = state.count(act, path.strip_prefix(&self.root).unwrap_or(path));
        self.progress.notify_all();
        if state.dead {
            return Verdict::Fail;
        }
        if let Some((planned, fault)) = state.plan
            && planned == place
        {
            state.hit = state.lanes[place.lane].1.last().cloned();
            match fault {
                Fault::InputOutput => return Verdict::Fail,
                Fault::NoSpace => state.full = true,
                Fault::ShortWrite => return Verdict::Half,
                Fault::Tear => {
                    state.dead = true;
                    return Verdict::Half;
                }
                Fault::Gone | Fault::Kill | Fault::PowerCut | Fault::Reorder => {
                    state.dead = true;
                    return Verdict::Fail;
                }
                Fault::Delay => {
                    self.wait_for_others(state, place.lane);
                    return Verdict::Go;
                }
                Fault::Interrupt => state.interrupt.set(),
            }
        }
        if state.full && grows { Verdict::Full } else { Verdict::Go }
    }

    /// Whether the process that uses the disk counts as dead: then nothing that it does may have an effect.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The operation that the fault hit.
    pub(crate) fn hit(&self) -> Option<Operation> {
        self.state().hit.clone()
    }

    /// What each thread did.
    pub(crate) fn operations(&self) -> Vec<Vec<Operation>> {
        self.state().lanes.iter().map(|(_, operations)| operations.clone()).collect()
    }

    /// The number of operations of this thread so far.
    pub(crate) fn count_here(&self) -> usize {
        let here = std::thread::current().id();
        self.state().lanes.iter().find(|(id, _)| *id == here).map_or(0, |(_, operations)| operations.len())
    }

    pub(crate) fn node_at(&self, path: &Path) -> Option<NodeId> {
        self.state().live.get(path).copied()
    }

    pub(crate) fn created(&self, path: &Path) -> NodeId {
        let mut state = self.state();
        state.nodes.push(Node::default());
        let node = state.nodes.len() - 1;
        state.name(path, node);
        node
    }

    pub(crate) fn linked(&self, from: &Path, to: &Path) {
        let mut state = self.state();
        if let Some(&node) = state.live.get(from) {
            state.name(to, node);
        }
    }

    pub(crate) fn renamed(&self, from: &Path, to: &Path) {
        let mut state = self.state();
        let Some(node) = state.live.remove(from) else { return };
        state.live.insert(to.to_owned(), node);
        // Both names are in one folder wherever the store renames, and a rename is atomic there.
        assert_eq!(from.parent(), to.parent(), "a rename from folder to folder is not modelled");
        state.folder(to).pending.push(NameChange::Rename(name_of(from), name_of(to), Entry::File(node)));
    }

    pub(crate) fn removed(&self, path: &Path) {
        let mut state = self.state();
        if state.live.remove(path).is_some() {
            state.folder(path).pending.push(NameChange::Clear(name_of(path)));
        }
    }

    pub(crate) fn made_folder(&self, path: &Path) {
        let mut state = self.state();
        state.folders.insert(path.to_owned(), Folder::default());
        state.folder(path).pending.push(NameChange::Set(name_of(path), Entry::Folder));
    }

    pub(crate) fn wrote(&self, node: NodeId, offset: u64, bytes: &[u8]) {
        self.state().nodes[node].pending.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(crate) fn truncated(&self, node: NodeId, length: u64) {
        self.state().nodes[node].pending.push(Change::Truncate(length));
    }

    pub(crate) fn synced(&self, node: NodeId) {
        self.state().nodes[node].settle();
    }

    pub(crate) fn synced_folder(&self, path: &Path) {
        let mut state = self.state();
        if let Some(folder) = state.folders.get_mut(path) {
            for change in std::mem::take(&mut folder.pending) {
                change.apply(&mut folder.durable);
            }
        }
    }

    /// What a power cut now would leave: of what is not synced nothing, or with a seed some.
    pub(crate) fn after_power_cut(&self, seed: Option<u64>) -> Remains {
        let state = self.state();
        let mut random = seed.map(Random);
        let mut remains = Remains { folders: Vec::new(), files: BTreeMap::new() };
        let mut open = vec![self.root.clone()];
        while let Some(path) = open.pop() {
            let Some(folder) = state.folders.get(&path) else { continue };
            for (name, entry) in folder.surviving(random.as_mut()) {
                let path = path.join(name);
                match entry {
                    Entry::Folder => open.push(path),
                    Entry::File(node) => {
                        remains.files.insert(path, state.nodes[node].surviving(random.as_mut()));
                    }
                }
            }
            remains.folders.push(path);
        }
        remains
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the other threads have got on by some operations, or have none to do for a moment.
    fn wait_for_others(&self, mut state: MutexGuard<'_, State>, lane: usize) {
        const OPERATIONS: usize = 25;
        const LONGEST_PAUSE: Duration = Duration::from_millis(2);
        let others = |state: &State| -> usize {
            let others = state.lanes.iter().enumerate().filter(|(other, _)| *other != lane);
            others.map(|(_, (_, operations))| operations.len()).sum()
        };
        let enough = others(&state) + OPERATIONS;
        loop {
            let before = others(&state);
            let (next, _) = self.progress.wait_timeout(state, LONGEST_PAUSE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if others(&state) >= enough || others(&state) == before {
                return;
            }
        }
    }
}

impl State {
    fn scan(&mut self, folder: &Path) {
        let mut durable = BTreeMap::new();
        for entry in std::fs::read_dir(folder).expect("the root can be read") {
            let entry = entry.expect("the root can be read");
            if entry.path().is_dir() {
                self.scan(&entry.path());
                durable.insert(entry.file_name(), Entry::Folder);
            } else {
                let bytes = std::fs::read(entry.path()).expect("the files can be read");
                self.nodes.push(Node { durable: bytes, pending: Vec::new() });
                durable.insert(entry.file_name(), Entry::File(self.nodes.len() - 1));
                self.live.insert(entry.path(), self.nodes.len() - 1);
            }
        }
        self.folders.insert(folder.to_owned(), Folder { durable, pending: Vec::new() });
    }

    fn count(&mut self, act: Act, path: &Path) -> Place {
        let here = std::thread::current().id();
        let lane = self.lanes.iter().position(|(id, _)| *id == here).unwrap_or_else(|| {
            self.lanes.push((here, Vec::new()));
            self.lanes.len() - 1
        });
        let operations = &mut self.lanes[lane].1;
        operations.push(Operation { act, path: path.to_owned() });
        Place { lane, number: operations.len() - 1 }
    }

    fn folder(&mut self, path: &Path) -> &mut Folder {
        self.folders.entry(path.parent().expect("files are in the root").to_owned()).or_default()
    }

    fn name(&mut self, path: &Path, node: NodeId) {
        self.live.insert(path.to_owned(), node);
        self.folder(path).pending.push(NameChange::Set(name_of(path), Entry::File(node)));
    }
}

impl Node {
    fn settle(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    fn surviving(&self, mut random: Option<&mut Random>) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            let Some(random) = random.as_deref_mut() else { break };
            if random.below(2) == 0 {
                continue;
            }
            match change {
                Change::Write { offset, bytes: written } if random.below(4) == 0 => {
                    put_some_sectors(&mut bytes, *offset, written, random);
                }
                change => change.apply(&mut bytes),
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Truncate(length) => to.resize(at(*length), 0),
        }
    }
}

impl Folder {
    /// Names since the last sync: none of the changes, or with luck the first few of them. A journal keeps their order.
    fn surviving(&self, random: Option<&mut Random>) -> BTreeMap<OsString, Entry> {
        let mut names = self.durable.clone();
        let most = random.map_or(0, |random| random.below(self.pending.len() as u64 + 1));
        for change in self.pending.iter().take(at(most)) {
            change.apply(&mut names);
        }
        names
    }
}

impl NameChange {
    fn apply(&self, to: &mut BTreeMap<OsString, Entry>) {
        match self {
            Self::Set(name, entry) => {
                to.insert(name.clone(), *entry);
            }
            Self::Clear(name) => {
                to.remove(name);
            }
            Self::Rename(from, name, entry) => {
                to.remove(from);
                to.insert(name.clone(), *entry);
            }
        }
    }
}

impl Remains {
    /// Makes `root`, which must be there, hold exactly this; paths are below `from`.
    pub(crate) fn write(&self, from: &Path, root: &Path) {
        for entry in std::fs::read_dir(root).expect("the root can be read").flatten() {
            let gone = if entry.path().is_dir() {
                std::fs::remove_dir_all(entry.path())
            } else {
                std::fs::remove_file(entry.path())
            };
            gone.expect("the root can be emptied");
        }
        let there = |path: &Path| root.join(path.strip_prefix(from).expect("all is below the root"));
        for folder in &self.folders {
            std::fs::create_dir_all(there(folder)).expect("a folder can be made");
        }
        for (path, bytes) in &self.files {
            std::fs::write(there(path), bytes).expect("a file can be written");
        }
    }
}

/// Numbers from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

fn put_some_sectors(to: &mut Vec<u8>, offset: u64, written: &[u8], random: &mut Random) {
    const SECTOR_BYTES: usize = 512;
    for (number, sector) in written.chunks(SECTOR_BYTES).enumerate() {
        if random.below(2) == 0 {
            put(to, offset + (number * SECTOR_BYTES) as u64, sector);
        }
    }
}

fn put(to: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (start, end) = (at(offset), at(offset) + bytes.len());
    if to.len() < end {
        to.resize(end, 0);
    }
    to[start..end].copy_from_slice(bytes);
}

fn at(number: u64) -> usize {
    usize::try_from(number).expect("the files are small")
}

fn name_of(path: &Path) -> OsString {
    path.file_name().expect("a file has a name").to_owned()
}

//! The system's file functions, for what the program under test does to files without SQLite.
//!
//! This test program defines functions of the C library by name, so that Rust's standard library in it calls them instead:
//! renames, links, syncs, appends and deletions are counted and fail like SQLite's operations do, and none can be forgotten.
//! On paths of no watched disk they only call the real ones. Asking for metadata and listing a folder are not among them.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_long, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Act, Disk, NodeId, Verdict, disk_of};

const INPUT_OUTPUT: c_int = 5;
const NO_SPACE: c_int = 28;
const CREATE: c_int = 0o100;
const TRUNCATE: c_int = 0o1000;
const APPEND: c_int = 0o2000;
const HERE: c_int = -100;
const FROM_HERE: c_int = 1;
const FROM_END: c_int = 2;

unsafe extern "C" {
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
    fn lseek(file: c_int, offset: c_long, whence: c_int) -> c_long;
}

thread_local! {
    static THROUGH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work` with this thread's calls let through: those of the VFS below ours.
pub(crate) fn pass_through<T>(work: impl FnOnce() -> T) -> T {
    THROUGH.with(|depth| depth.set(depth.get() + 1));
    let done = work();
    THROUGH.with(|depth| depth.set(depth.get() - 1));
    done
}

/// Whether a call is nobody's business: from the VFS below, or from a thread that is about to end.
fn is_through() -> bool {
    THROUGH.try_with(|depth| depth.get() > 0).unwrap_or(true)
}

/// An open file on a watched disk.
struct Tracked {
    disk: Arc<Disk>,
    path: PathBuf,
    node: Option<NodeId>,
    is_folder: bool,
    appends: bool,
}

static TRACKED: Mutex<BTreeMap<c_int, Tracked>> = Mutex::new(BTreeMap::new());

fn tracked() -> MutexGuard<'static, BTreeMap<c_int, Tracked>> {
    TRACKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of an open file, copied out so that nothing is locked while it is worked on.
fn known(file: c_int) -> Option<(Arc<Disk>, PathBuf, Option<NodeId>, bool, bool)> {
    if is_through() {
        return None;
    }
    let tracked = tracked();
    tracked.get(&file).map(|it| (it.disk.clone(), it.path.clone(), it.node, it.is_folder, it.appends))
}

/// The function of the same name behind ours.
macro_rules! real {
    ($name:ident: $type:ty) => {{
        const NEXT: *mut c_void = -1_isize as *mut c_void;
        static FOUND: std::sync::OnceLock<$type> = std::sync::OnceLock::new();
        *FOUND.get_or_init(|| {
            let name = concat!(stringify!($name), "\0");
            // SAFETY: the name ends with a zero byte; the C library's function has the type that its manual page gives.
            unsafe {
                let found = dlsym(NEXT, name.as_ptr().cast());
                assert!(!found.is_null());
                std::mem::transmute::<*mut c_void, $type>(found)
            }
        })
    }};
}

fn refuse(error: c_int) -> c_int {
    // SAFETY: the C library's place for this thread's error.
    unsafe { *__errno_location() = error };
    -1
}

fn watched(path: *const c_char) -> Option<(Arc<Disk>, PathBuf)> {
    if is_through() {
        return None;
    }
    // SAFETY: callers of these functions pass a name that ends with a zero byte.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    disk_of(path).map(|disk| (disk, path.to_owned()))
}

/// Counts an operation on a path and says which error it shall end with.
fn enter(disk: &Disk, act: Act, path: &Path) -> Result<(), c_int> {
    match disk.enter(act, path, act.needs_room()) {
        Verdict::Go => Ok(()),
        Verdict::Full => Err(NO_SPACE),
        Verdict::Fail | Verdict::Half => Err(INPUT_OUTPUT),
    }
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = real!(open64: extern "C" fn(*const c_char, c_int, c_uint) -> c_int);
    let Some((disk, name)) = watched(path) else { return real(path, flags, mode) };
    let is_there = name.symlink_metadata().is_ok();
    let creates = flags & CREATE != 0 && !is_there;
    if let Err(error) = enter(&disk, if creates { Act::Create } else { Act::Open }, &name) {
        return refuse(error);
    }
    let file = real(path, flags, mode);
    if file >= 0 {
        let node = if creates { Some(disk.created(&name)) } else { disk.node_at(&name) };
        if let Some(node) = node
            && flags & TRUNCATE != 0
        {
            disk.truncated(node, 0);
        }
        let is_folder = name.is_dir();
        tracked().insert(file, Tracked { disk, path: name, node, is_folder, appends: flags & APPEND != 0 });
    }
    file
}

#[unsafe(no_mangle)]
extern "C" fn close(file: c_int) -> c_int {
    let real = real!(close: extern "C" fn(c_int) -> c_int);
    if !is_through() {
        tracked().remove(&file);
    }
    real(file)
}

#[unsafe(no_mangle)]
extern "C" fn read(file: c_int, to: *mut c_void, count: usize) -> isize {
    let real = real!(read: extern "C" fn(c_int, *mut c_void, usize) -> isize);
    if let Some((disk, path, ..)) = known(file)
        && let Err(error) = enter(&disk, Act::Read, &path)
    {
        return refuse(error) as isize;
    }
    real(file, to, count)
}

#[unsafe(no_mangle)]
extern "C" fn write(file: c_int, from: *const c_void, count: usize) -> isize {
    let real = real!(write: extern "C" fn(c_int, *const c_void, usize) -> isize);
    let Some((disk, path, node, _, appends)) = known(file) else { return real(file, from, count) };
    let count = match disk.enter(Act::Write, &path, true) {
        Verdict::Go => count,
        // Here a short write is no error: who called writes the rest.
        Verdict::Half => count / 2,
        Verdict::Full => return refuse(NO_SPACE) as isize,
        Verdict::Fail => return refuse(INPUT_OUTPUT) as isize,
    };
    // SAFETY: asks where an open file is; one that appends is at its end when it writes.
    let offset = unsafe { lseek(file, 0, if appends { FROM_END } else { FROM_HERE }) };
    let written = real(file, from, count);
    if let (Some(node), Ok(written), Ok(offset)) = (node, usize::try_from(written), u64::try_from(offset)) {
        // SAFETY: the caller has `count` bytes there, and no more were written.
        disk.wrote(node, offset, unsafe { std::slice::from_raw_parts(from.cast::<u8>(), written) });
    }
    written
}

/// Called by copies from file to file. Says that the kernel cannot, so that the bytes go through `read` and `write`.
#[unsafe(no_mangle)]
extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut i64,
    to: c_int,
    to_offset: *mut i64,
    count: usize,
    flags: c_uint,
) -> isize {
    const NO_SUCH_CALL: c_int = 38;
    type Real = extern "C" fn(c_int, *mut i64, c_int, *mut i64, usize, c_uint) -> isize;
    let real = real!(copy_file_range: Real);
    if known(from).is_some() || known(to).is_some() {
        return refuse(NO_SUCH_CALL) as isize;
    }
    real(from, from_offset, to, to_offset, count, flags)
}

/// As `copy_file_range`.
#[unsafe(no_mangle)]
extern "C" fn sendfile64(to: c_int, from: c_int, offset: *mut i64, count: usize) -> isize {
    const NO_SUCH_CALL: c_int = 38;
    let real = real!(sendfile64: extern "C" fn(c_int, c_int, *mut i64, usize) -> isize);
    if known(from).is_some() || known(to).is_some() {
        return refuse(NO_SUCH_CALL) as isize;
    }
    real(to, from, offset, count)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(file: c_int, length: i64) -> c_int {
    let real = real!(ftruncate64: extern "C" fn(c_int, i64) -> c_int);
    let Some((disk, path, node, ..)) = known(file) else { return real(file, length) };
    if let Err(error) = enter(&disk, Act::Truncate, &path) {
        return refuse(error);
    }
    let done = real(file, length);
    if let Some(node) = node
        && done == 0
    {
        disk.truncated(node, length.unsigned_abs());
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    let real = real!(fsync: extern "C" fn(c_int) -> c_int);
    synced(file).unwrap_or_else(|| real(file))
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    let real = real!(fdatasync: extern "C" fn(c_int) -> c_int);
    synced(file).unwrap_or_else(|| real(file))
}

/// Only the model learns of a sync: the real disk outlives the test.
fn synced(file: c_int) -> Option<c_int> {
    let (disk, path, node, is_folder, _) = known(file)?;
    if let Err(error) = enter(&disk, if is_folder { Act::SyncFolder } else { Act::Sync }, &path) {
        return Some(refuse(error));
    }
    if is_folder {
        disk.synced_folder(&path);
    }
    if let Some(node) = node {
        disk.synced(node);
    }
    Some(0)
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = real!(rename: extern "C" fn(*const c_char, *const c_char) -> c_int);
    let Some((disk, from_name)) = watched(from) else { return real(from, to) };
    if let Err(error) = enter(&disk, Act::Rename, &from_name) {
        return refuse(error);
    }
    let done = real(from, to);
    if let Some((disk, to_name)) = watched(to)
        && done == 0
    {
        disk.renamed(&from_name, &to_name);
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let real = real!(linkat: extern "C" fn(c_int, *const c_char, c_int, *const c_char, c_int) -> c_int);
    let (Some((disk, from_name)), Some((_, to_name))) = (watched(from), watched(to)) else {
        return real(from_folder, from, to_folder, to, flags);
    };
    assert_eq!((from_folder, to_folder), (HERE, HERE), "only whole paths are expected");
    if let Err(error) = enter(&disk, Act::Link, &to_name) {
        return refuse(error);
    }
    let done = real(from_folder, from, to_folder, to, flags);
    if done == 0 {
        disk.linked(&from_name, &to_name);
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = real!(unlink: extern "C" fn(*const c_char) -> c_int);
    let Some((disk, name)) = watched(path) else { return real(path) };
    if let Err(error) = enter(&disk, Act::Remove, &name) {
        return refuse(error);
    }
    let done = real(path);
    if done == 0 {
        disk.removed(&name);
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: c_uint) -> c_int {
    let real = real!(mkdir: extern "C" fn(*const c_char, c_uint) -> c_int);
    let Some((disk, name)) = watched(path) else { return real(path, mode) };
    if let Err(error) = enter(&disk, Act::MakeFolder, &name) {
        return refuse(error);
    }
    let done = real(path, mode);
    if done == 0 {
        disk.made_folder(&name);
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn chmod(path: *const c_char, mode: c_uint) -> c_int {
    let real = real!(chmod: extern "C" fn(*const c_char, c_uint) -> c_int);
    if let Some((disk, name)) = watched(path)
        && let Err(error) = enter(&disk, Act::SetMode, &name)
    {
        return refuse(error);
    }
    real(path, mode)
}

#[unsafe(no_mangle)]
extern "C" fn fchmod(file: c_int, mode: c_uint) -> c_int {
    let real = real!(fchmod: extern "C" fn(c_int, c_uint) -> c_int);
    if let Some((disk, path, ..)) = known(file)
        && let Err(error) = enter(&disk, Act::SetMode, &path)
    {
        return refuse(error);
    }
    real(file, mode)
}

#[unsafe(no_mangle)]
extern "C" fn chown(path: *const c_char, owner: c_uint, group: c_uint) -> c_int {
    let real = real!(chown: extern "C" fn(*const c_char, c_uint, c_uint) -> c_int);
    if let Some((disk, name)) = watched(path)
        && let Err(error) = enter(&disk, Act::SetMode, &name)
    {
        return refuse(error);
    }
    real(path, owner, group)
}

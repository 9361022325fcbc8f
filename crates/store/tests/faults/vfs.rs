//! A SQLite VFS around the default one that counts, fails, tears and watches every operation on a watched disk.
//!
//! It is made the default VFS of this process, so that the program under test opens its files through it without knowing.
//! Files that are on no watched disk go straight to the VFS below. The file handles of the VFS below have different
//! method tables by kind (with or without shared memory): each of ours is wrapped with a table of the same abilities.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Once};

use rusqlite::ffi;

use crate::disk::{Act, Disk, NodeId, Verdict, disk_of};
use crate::system::pass_through;

/// The name of the VFS below ours: the real one, for witnesses.
pub(crate) const REAL: &CStr = c"unix";

/// Puts our VFS in front of the default one, once for the process.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: SQLite owns its list of VFS objects; the default one lives as long as the process, and so does the one
        // that is leaked here, as registration demands.
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            assert!(!real.is_null(), "SQLite has a default VFS");
            assert_eq!(CStr::from_ptr((*real).zName), REAL);
            BELOW.store(real, Ordering::SeqCst);
            let mut ours = *real;
            ours.zName = c"riskd-faults".as_ptr();
            ours.pNext = std::ptr::null_mut();
            ours.szOsFile = OFFSET_OF_REAL + (*real).szOsFile;
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            ours.xAccess = Some(access);
            ours.xFullPathname = Some(full_pathname);
            let registered = ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 1);
            assert_eq!(registered, ffi::SQLITE_OK);
        }
    });
}

static BELOW: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());

fn below() -> *mut ffi::sqlite3_vfs {
    BELOW.load(Ordering::SeqCst)
}

/// What SQLite has for a file of ours. The handle of the VFS below lies behind it in the same memory.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    watch: *mut Watch,
}

const OFFSET_OF_REAL: c_int = size_of::<File>().next_multiple_of(16) as c_int;

/// What we know of an open file.
struct Watch {
    disk: Arc<Disk>,
    path: PathBuf,
    /// None for a temporary file: after a crash it is gone either way.
    node: Option<NodeId>,
    /// The first sync of a journal or log syncs the folder too, as the VFS below does.
    sync_folder: bool,
}

unsafe fn real_of(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` reserves room for the real handle at this offset of every file.
    unsafe { file.byte_add(OFFSET_OF_REAL as usize) }
}

unsafe fn watch_of<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Watch {
    // SAFETY: only `open` sets our method tables, and it sets `watch` first; SQLite uses a file from one thread at a time.
    unsafe { &mut *(*file.cast::<File>()).watch }
}

/// Calls a method of the real handle, with the system's functions let through.
macro_rules! real {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = real_of($file);
        let method = (*(*real).pMethods).$method.expect("the VFS below has the method");
        pass_through(|| method(real $(, $argument)*))
    }};
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands in a name that ends with a zero byte, or none, and a file of `szOsFile` bytes.
    unsafe {
        let real_open = (*below()).xOpen.expect("the VFS below opens files");
        let path = (!name.is_null()).then(|| path_of(name));
        let Some(disk) = path.as_deref().and_then(disk_of) else {
            return pass_through(|| real_open(below(), name, file, flags, out_flags));
        };
        (*file).pMethods = std::ptr::null();
        let path = path.expect("a disk has a path");
        let creates = flags & ffi::SQLITE_OPEN_CREATE != 0 && !path.exists();
        let act = if creates { Act::Create } else { Act::Open };
        match disk.enter(act, &path, creates) {
            Verdict::Go => {}
            Verdict::Full => return ffi::SQLITE_FULL,
            Verdict::Fail | Verdict::Half => return ffi::SQLITE_IOERR,
        }
        let real = real_of(file);
        let code = pass_through(|| real_open(below(), name, real, flags, out_flags));
        if code != ffi::SQLITE_OK {
            return code;
        }
        let is_journal =
            flags & (ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL);
        let node = if creates { Some(disk.created(&path)) } else { disk.node_at(&path) };
        let sync_folder = flags & ffi::SQLITE_OPEN_CREATE != 0 && is_journal != 0;
        let watch = Box::new(Watch { disk, path, node, sync_folder });
        (*file.cast::<File>()).watch = Box::into_raw(watch);
        let methods = &*(*real).pMethods;
        let has_shared = methods.iVersion >= 2 && methods.xShmMap.is_some();
        (*file).pMethods = if has_shared { &WITH_SHARED_MEMORY } else { &WITHOUT };
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        let real_delete = (*below()).xDelete.expect("the VFS below deletes files");
        let path = path_of(name);
        let disk = disk_of(&path);
        if let Some(disk) = &disk
            && disk.enter(Act::Remove, &path, false) != Verdict::Go
        {
            return ffi::SQLITE_IOERR_DELETE;
        }
        let code = pass_through(|| real_delete(below(), name, sync_folder));
        if let Some(disk) = disk
            && code == ffi::SQLITE_OK
        {
            disk.removed(&path);
            if sync_folder != 0 {
                disk.synced_folder(path.parent().expect("a file is in a folder"));
            }
        }
        code
    }
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, answer: *mut c_int) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        let real_access = (*below()).xAccess.expect("the VFS below looks at files");
        let path = path_of(name);
        if let Some(disk) = disk_of(&path)
            && disk.enter(Act::Look, &path, false) != Verdict::Go
        {
            return ffi::SQLITE_IOERR_ACCESS;
        }
        pass_through(|| real_access(below(), name, flags, answer))
    }
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    answer: *mut c_char,
) -> c_int {
    // SAFETY: passed on as they are, to the VFS whose method it is.
    unsafe {
        let real = (*below()).xFullPathname.expect("the VFS below resolves names");
        pass_through(|| real(below(), name, room, answer))
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; nothing uses it afterwards. A dead process's files are closed too.
    unsafe {
        let code = real!(file, xClose);
        drop(Box::from_raw((*file.cast::<File>()).watch));
        (*file).pMethods = std::ptr::null();
        code
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, count: c_int, offset: i64) -> c_int {
    // SAFETY: passed on as they are.
    unsafe {
        if !may(file, Act::Read) {
            return ffi::SQLITE_IOERR_READ;
        }
        real!(file, xRead, to, count, offset)
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, count: c_int, offset: i64) -> c_int {
    // SAFETY: `from` has `count` bytes, as SQLite promises; half of them are fewer.
    unsafe {
        let watch = watch_of(file);
        let grows = offset.unsigned_abs() + u64::from(count.unsigned_abs()) > length_of(file);
        let verdict = watch.disk.enter(Act::Write, &watch.path, grows);
        let count = match verdict {
            Verdict::Go => count,
            Verdict::Half => count / 2,
            Verdict::Full => return ffi::SQLITE_FULL,
            Verdict::Fail => return ffi::SQLITE_IOERR_WRITE,
        };
        let code = real!(file, xWrite, from, count, offset);
        if let Some(node) = watch.node
            && code == ffi::SQLITE_OK
        {
            let bytes = std::slice::from_raw_parts(from.cast::<u8>(), count.unsigned_abs() as usize);
            watch.disk.wrote(node, offset.unsigned_abs(), bytes);
        }
        if verdict == Verdict::Half { ffi::SQLITE_FULL } else { code }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: passed on as they are.
    unsafe {
        if !may(file, Act::Truncate) {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        let code = real!(file, xTruncate, length);
        let watch = watch_of(file);
        if let Some(node) = watch.node
            && code == ffi::SQLITE_OK
        {
            watch.disk.truncated(node, length.unsigned_abs());
        }
        code
    }
}

/// Only the model learns of it: the real disk outlives the test, so waiting for it would prove nothing.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: our own handle.
    unsafe {
        if !may(file, Act::Sync) {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let watch = watch_of(file);
        if let Some(node) = watch.node {
            watch.disk.synced(node);
        }
        if std::mem::take(&mut watch.sync_folder) {
            watch.disk.synced_folder(watch.path.parent().expect("a file is in a folder"));
        }
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, answer: *mut i64) -> c_int {
    // SAFETY: passed on as they are.
    unsafe {
        if !may(file, Act::Size) {
            return ffi::SQLITE_IOERR_FSTAT;
        }
        real!(file, xFileSize, answer)
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: passed on as they are.
    unsafe {
        if !may(file, Act::Lock) {
            return ffi::SQLITE_IOERR_LOCK;
        }
        real!(file, xLock, level)
    }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: passed on as they are. The locks of a dead process go, so those are given back whatever the verdict.
    unsafe {
        let allowed = may(file, Act::Unlock);
        if allowed || watch_of(file).disk.is_dead() {
            return real!(file, xUnlock, level);
        }
        ffi::SQLITE_IOERR_UNLOCK
    }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, answer: *mut c_int) -> c_int {
    // SAFETY: passed on as they are.
    unsafe {
        if !may(file, Act::Lock) {
            return ffi::SQLITE_IOERR_CHECKRESERVEDLOCK;
        }
        real!(file, xCheckReservedLock, answer)
    }
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: passed on as they are; none of the controls used here writes to the file.
    unsafe { real!(file, xFileControl, operation, argument) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: passed on.
    unsafe { real!(file, xSectorSize) }
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: passed on.
    unsafe { real!(file, xDeviceCharacteristics) }
}

unsafe extern "C" fn map_shared(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    answer: *mut *mut c_void,
) -> c_int {
    // SAFETY: passed on as they are.
    unsafe {
        let watch = watch_of(file);
        match watch.disk.enter(Act::MapShared, &watch.path, extend != 0) {
            Verdict::Go => real!(file, xShmMap, region, bytes, extend, answer),
            Verdict::Full => ffi::SQLITE_FULL,
            Verdict::Fail | Verdict::Half => ffi::SQLITE_IOERR_SHMMAP,
        }
    }
}

unsafe extern "C" fn lock_shared(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: passed on as they are. The locks of a dead process go; and SQLite does not look whether giving one back
    // failed, it only waits ten seconds for itself then, which is no case worth the time.
    unsafe {
        let allowed = may(file, Act::LockShared);
        if allowed {
            return real!(file, xShmLock, offset, count, flags);
        }
        if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
            real!(file, xShmLock, offset, count, flags);
        }
        ffi::SQLITE_IOERR_SHMLOCK
    }
}

unsafe extern "C" fn shared_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: passed on.
    unsafe { real!(file, xShmBarrier) }
}

unsafe extern "C" fn unmap_shared(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: passed on; a dead process deletes nothing.
    unsafe {
        let delete = if watch_of(file).disk.is_dead() { 0 } else { delete };
        real!(file, xShmUnmap, delete)
    }
}

unsafe fn may(file: *mut ffi::sqlite3_file, act: Act) -> bool {
    // SAFETY: our own handle.
    let watch = unsafe { watch_of(file) };
    watch.disk.enter(act, &watch.path, false) == Verdict::Go
}

unsafe fn length_of(file: *mut ffi::sqlite3_file) -> u64 {
    let mut length = 0;
    // SAFETY: our own handle, and a place for the answer.
    unsafe { real!(file, xFileSize, &mut length) };
    length.unsigned_abs()
}

unsafe fn path_of(name: *const c_char) -> PathBuf {
    // SAFETY: the caller has a name that ends with a zero byte.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes())).to_owned()
}

/// For files that can have a write-ahead log. Without the methods of version 3 nothing is read past us by mapping.
static WITH_SHARED_MEMORY: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xShmMap: Some(map_shared),
    xShmLock: Some(lock_shared),
    xShmBarrier: Some(shared_barrier),
    xShmUnmap: Some(unmap_shared),
    ..WITHOUT
};

const WITHOUT: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

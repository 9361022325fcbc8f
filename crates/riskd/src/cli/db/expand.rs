//! Which databases are meant by files, folders and patterns on the command line.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// How a database's file is called, in folders that are looked through. A file that is named may have any name.
const EXTENSIONS: [&str; 3] = ["db", "sqlite", "sqlite3"];

/// The folder of backups, which holds databases of the past.
const BACKUPS: &str = "backups";

/// Whether the argument can mean several databases: a folder, or a pattern that is not the very name of a file.
pub(super) fn means_many(argument: &Path) -> bool {
    argument.is_dir() || (is_pattern(argument) && argument.symlink_metadata().is_err())
}

/// The files that the arguments mean, each once however often it is meant, in order of their paths.
///
/// A folder means every `*.db`, `*.sqlite` and `*.sqlite3` in it and below it; folders called `backups`, hidden ones and
/// links to folders are left out. In a pattern `*` and `?` stand for letters of a name, `[a-z]` for one of these, and
/// `**` for any number of folders.
pub(super) fn expand(arguments: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut found = BTreeSet::new();
    for argument in arguments {
        let meant = if means_many(argument) && !argument.is_dir() {
            let mut meant = Vec::new();
            for path in matches(argument)? {
                add(&path, &mut meant)?;
            }
            meant
        } else {
            let mut meant = Vec::new();
            add(argument, &mut meant)?;
            meant
        };
        for path in meant {
            // The same file by two names is one database.
            if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                found.insert(path);
            }
        }
    }
    Ok(found.into_iter().collect())
}

fn add(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    for (name, inner) in entries(path)? {
        let is_real_folder = inner.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        if name.starts_with('.') || (is_real_folder && name == BACKUPS) {
            continue;
        }
        let has_extension = inner.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| *known == extension));
        if is_real_folder {
            add(&inner, found)?;
        } else if has_extension && inner.is_file() {
            found.push(inner);
        }
    }
    Ok(())
}

/// What is in a folder, in order of the names.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let listed = std::fs::read_dir(folder)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// Every path that the pattern fits.
fn matches(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let mut next = Vec::new();
        for base in &found {
            match part {
                Component::Normal(name) if name == "**" => folders_below(base, &mut next)?,
                Component::Normal(name) if is_pattern(Path::new(name)) => {
                    let pattern: Vec<char> = name.to_string_lossy().chars().collect();
                    next.extend(fitting(base, &pattern)?);
                }
                other => {
                    let path = base.join(other);
                    if path.symlink_metadata().is_ok() {
                        next.push(path);
                    }
                }
            }
        }
        found = next;
    }
    Ok(found)
}

/// What in `folder` has a name that fits.
fn fitting(folder: &Path, pattern: &[char]) -> io::Result<Vec<PathBuf>> {
    let listed = match entries(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }) {
        Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::NotFound) => return Ok(Vec::new()),
        other => other?,
    };
    let fits_name = |name: &str| {
        let letters: Vec<char> = name.chars().collect();
        name.starts_with('.') == pattern.starts_with(&['.']) && fits(pattern, &letters)
    };
    let names = listed.into_iter().filter(|(name, _)| fits_name(name));
    Ok(names.map(|(name, path)| if folder.as_os_str().is_empty() { PathBuf::from(name) } else { path }).collect())
}

/// The folder itself and every folder below it that is neither hidden nor holds backups.
fn folders_below(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    found.push(folder.to_owned());
    for path in fitting(folder, &['*'])? {
        let is_real_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        if is_real_folder && path.file_name().is_none_or(|name| name != BACKUPS) {
            folders_below(&path, found)?;
        }
    }
    Ok(())
}

/// Whether a name fits a pattern of `*`, `?` and `[…]`.
fn fits(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        Some(('?', rest)) => !name.is_empty() && fits(rest, &name[1..]),
        Some(('[', rest)) => match (rest.iter().skip(1).position(|&letter| letter == ']'), name.split_first()) {
            (Some(end), Some((&letter, more))) => is_one_of(&rest[..=end], letter) && fits(&rest[end + 2..], more),
            (Some(_), None) => false,
            // A bracket that nothing closes is a letter.
            (None, _) => name.first() == Some(&'[') && fits(rest, &name[1..]),
        },
        Some((letter, rest)) => name.first() == Some(letter) && fits(rest, &name[1..]),
    }
}

/// Whether a letter is in a set such as `a-z_` or `!0-9`.
fn is_one_of(set: &[char], letter: char) -> bool {
    let (wanted, mut set) = match set.split_first() {
        Some(('!' | '^', rest)) => (false, rest),
        _ => (true, set),
    };
    let mut found = false;
    while let Some((&first, rest)) = set.split_first() {
        set = match rest {
            [dash, last, rest @ ..] if *dash == '-' => {
                found |= (first..=*last).contains(&letter);
                rest
            }
            _ => {
                found |= first == letter;
                rest
            }
        };
    }
    found == wanted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn patterns_fit_names_as_shells_say() {
        for (pattern, name, expected) in [
            ("*.db", "state.db", true),
            ("*.db", "state.db-wal", false),
            ("t?.db", "t1.db", true),
            ("t?.db", "t12.db", false),
            ("t[0-9].db", "t7.db", true),
            ("t[!0-9].db", "t7.db", false),
            ("t[!0-9].db", "tx.db", true),
            ("t[abc-]", "t-", true),
            ("t[]]", "t]", true),
            ("[", "[", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("ü*", "über", true),
            ("", "", true),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(fits(&letters(pattern), &letters(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn folders_and_patterns_mean_databases_and_no_backups() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in [
            "a/state.db", "a/backups/state_pre_v2.db", "a/notes.txt", "b/state.sqlite3", "b/deep/er/x.db", ".hidden/y.db",
            "w*.db", "a/.secret.db",
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("a"), root.join("again")).unwrap();
        std::os::unix::fs::symlink(root.join("a/state.db"), root.join("b/link.db")).unwrap();
        let meant = |arguments: &[&str]| {
            let arguments: Vec<PathBuf> = arguments.iter().map(|argument| root.join(argument)).collect();
            let found = expand(&arguments).unwrap();
            found.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(meant(&["."]), ["a/state.db", "b/deep/er/x.db", "b/state.sqlite3", "w*.db"]);
        assert_eq!(meant(&["*/state.db"]), ["a/state.db"], "the linked folder holds the same file");
        assert_eq!(meant(&["**/*.db"]), ["a/state.db", "b/deep/er/x.db", "w*.db"]);
        assert_eq!(meant(&["w*.db", "a"]), ["a/state.db", "w*.db"], "a name that exists is that name");
        assert_eq!(meant(&["a/notes.txt", "missing.db"]), ["a/notes.txt", "missing.db"], "what is named is meant");
        assert!(meant(&["nothing*/here.db"]).is_empty());
        assert!(means_many(&root.join("*.db")) && !means_many(&root.join("w*.db")) && means_many(root));
    }
}

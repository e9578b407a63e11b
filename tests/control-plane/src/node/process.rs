//! Processes of a node, as the machine sees them.

use std::path::Path;

use crate::error::{Error, Result};

/// The resident memory of a process, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident_memory(pid: u32) -> Result<u64> {
    let path = Path::new("/proc").join(pid.to_string()).join("status");
    let text = std::fs::read_to_string(&path).map_err(|error| Error::file("read", &path, error))?;
    let kibibytes: Option<u64> = field(&text, "VmRSS").and_then(|value| value.split_whitespace().next()?.parse().ok());
    // A process that has ended and was not collected has no memory.
    Ok(kibibytes.unwrap_or_default() * 1024)
}

/// The first process of the innermost process namespace among these; in a pod that shares one among its containers,
/// the one that came first.
pub(crate) fn first(pids: &[u32]) -> Option<u32> {
    let is_first = |pid: &&u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        field(&status, "NSpid").is_some_and(|numbers| numbers.split_whitespace().next_back() == Some("1"))
    };
    pids.iter().find(is_first).or_else(|| pids.iter().min()).copied()
}

/// The process that runs this program with an argument that holds this text.
pub(crate) fn with_arguments(program: &Path, text: &str) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let is_it = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split('\0');
        words.next().is_some_and(|word| Path::new(word) == program) && words.any(|word| word.contains(text))
    };
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("cmdline"))))
        .find(|(_, line): &(u32, _)| std::fs::read(line).is_ok_and(|line| is_it(&line)))
        .map(|(pid, _)| pid)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_memory_and_one_that_is_not_there_has_none() {
        assert!(resident_memory(std::process::id()).unwrap() > 100_000);
        assert!(resident_memory(u32::MAX).is_err());
    }

    #[test]
    fn without_a_first_process_of_a_namespace_the_oldest_is_taken() {
        assert_eq!(first(&[]), None);
        assert_eq!(first(&[u32::MAX, std::process::id()]), Some(std::process::id()));
    }

    #[test]
    fn a_process_is_found_by_its_program_and_an_argument() {
        let mut child = std::process::Command::new("sleep").arg("300.0417").spawn().unwrap();
        // Between fork and exec it still has our own command line.
        let find = || with_arguments(Path::new("sleep"), "300.0417");
        while find().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(find(), Some(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

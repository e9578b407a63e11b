//! The control groups of a node: one of its own in every hierarchy, made beforehand and removed by the watchdog.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The file of a guarded folder that names what the watchdog has to remove, one folder a line.
pub(crate) const LIST: &str = "cgroups";

/// The mount points of the hierarchies of this machine: one for each controller (version 1), one for all (version 2),
/// or both at once.
///
/// # Errors
/// When there is none, or /proc cannot be read.
pub(crate) fn hierarchies() -> Result<Vec<PathBuf>> {
    let path = Path::new("/proc/self/mountinfo");
    let text = std::fs::read_to_string(path).map_err(|error| Error::file("read", path, error))?;
    let mut found = mounted(&text);
    found.sort();
    found.dedup();
    Ok(found)
}

fn mounted(mountinfo: &str) -> Vec<PathBuf> {
    let mount_point = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let kind = file_system.split(' ').next()?;
        matches!(kind, "cgroup" | "cgroup2").then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    };
    mountinfo.lines().filter_map(mount_point).collect()
}

/// Makes the group `name` in every hierarchy. What the watchdog of `folder` has to remove is written down first.
///
/// The kubelet refuses a group that is missing in any of them.
pub(crate) fn make(folder: &Path, name: &str) -> Result<()> {
    let groups: Vec<PathBuf> = hierarchies()?.into_iter().map(|hierarchy| hierarchy.join(name)).collect();
    let list: String = groups.iter().map(|group| format!("{}\n", group.display())).collect();
    let path = folder.join(LIST);
    std::fs::write(&path, list).map_err(|error| Error::file("write", &path, error))?;
    for group in groups {
        std::fs::create_dir(&group).map_err(|error| Error::file("make", &group, error))?;
    }
    Ok(())
}

/// The groups that the watchdog of this folder has to remove.
pub(crate) fn listed(folder: &Path) -> Vec<PathBuf> {
    let list = std::fs::read_to_string(folder.join(LIST)).unwrap_or_default();
    list.lines().map(PathBuf::from).collect()
}

/// The processes in the group of this container, by their numbers outside, wherever it is below `groups`.
pub(crate) fn processes(groups: &[PathBuf], container: &str) -> Vec<u32> {
    let found = groups.iter().find_map(|group| find(group, container));
    let list = found.and_then(|group| std::fs::read_to_string(group.join("cgroup.procs")).ok()).unwrap_or_default();
    list.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

fn find(group: &Path, container: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(group).ok()?.flatten();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    let is_it = |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(container));
    folders.iter().find(is_it).cloned().or_else(|| folders.iter().find_map(|folder| find(folder, container)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found_and_nothing_else() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let found = mounted(mountinfo);
        assert_eq!(found, [Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup/unified")]);
    }

    #[test]
    fn the_processes_of_a_container_are_found_however_deep_its_group_is() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("kubepods/burstable/pod1/4f5e");
        std::fs::create_dir_all(&group).unwrap();
        std::fs::write(group.join("cgroup.procs"), "12\n17\n").unwrap();
        assert_eq!(processes(&[root.path().to_owned()], "4f5e"), [12, 17]);
        assert!(processes(&[root.path().to_owned()], "0000").is_empty());
    }
}

//! How much memory two builds at once would find.

/// What Go and Rust need side by side: the linker of kube-apiserver and rustc each took up to 1.5 GiB, and the rest is
/// for what else runs.
pub const SIDE_BY_SIDE: u64 = 4 << 30;

/// Bytes that programs can still get, as far as the system tells.
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo").and_then(|text| of_meminfo(&text));
    // Inside a container it is less than the machine has.
    let group = |name: &str| read(&format!("/sys/fs/cgroup/memory.{name}"));
    let of_group = || of_control_group(&group("max")?, &group("current")?, &group("stat")?);
    of_machine.into_iter().chain(of_group()).min()
}

/// `MemAvailable` of Linux, which counts what caches would give back.
fn of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What a control group may still take. Files it has only read count as used, but the kernel gives them up first.
fn of_control_group(limit: &str, used: &str, statistics: &str) -> Option<u64> {
    let limit: u64 = limit.trim().parse().ok()?;
    let used: u64 = used.trim().parse().ok()?;
    let files = statistics.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let files: u64 = files.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_is_available() {
        let text = "MemTotal:       24586024 kB\nMemFree:         1000 kB\nMemAvailable:    4194304 kB\n";
        assert_eq!(of_meminfo(text), Some(SIDE_BY_SIDE));
        assert_eq!(of_meminfo("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn a_container_has_what_its_limit_leaves_and_no_limit_says_nothing() {
        assert_eq!(of_control_group("1000\n", "900\n", "anon 500\ninactive_file 300\n"), Some(400));
        assert_eq!(of_control_group("1000\n", "1100\n", ""), Some(0));
        assert_eq!(of_control_group("max\n", "900\n", ""), None);
    }
}

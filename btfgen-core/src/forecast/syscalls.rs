//! Syscalls: the kernel functions behind them, and which of them have tracepoints.

/// The prefix of an architecture's syscall functions that take `struct pt_regs` (libbpf's `arch_specific_syscall_pfx`).
pub(super) fn wrapper_prefix(arch: &str) -> Option<&'static str> {
    match arch {
        "x86_64" => Some("__x64_sys_"),
        "x86" => Some("__ia32_sys_"),
        "arm64" => Some("__arm64_sys_"),
        "s390x" => Some("__s390x_sys_"),
        "riscv64" => Some("__riscv_sys_"),
        _ => None,
    }
}

/// The syscall of a function with an architecture's prefix.
pub(super) fn syscall_of<'a>(arch: &str, function: &'a str) -> Option<&'a str> {
    function.strip_prefix(wrapper_prefix(arch)?)
}

/// The name of the function that implements a syscall without arguments in BTF: its name with the prefix is an alias
/// (`SYSCALL_DEFINE0` of x86).
pub(super) fn alias(syscall: &str) -> String {
    format!("__do_sys_{syscall}")
}

/// Whether a kernel of an architecture that has the function of a syscall also has its tracepoints. It has none if the syscall
/// is for 32-bit programs only, or is a stub for other architectures (`kernel/sys_ni.c`).
pub(super) fn is_wired(arch: &str, syscall: &str) -> bool {
    let unwired: &[&str] = match arch {
        "x86_64" => &UNWIRED_X86_64,
        "arm64" => &UNWIRED_ARM64,
        _ => return true,
    };
    let is_narrow = ["16", "32"].iter().any(|bits| syscall.ends_with(bits)) || syscall.starts_with("ia32_");
    !is_narrow && !unwired.contains(&syscall)
}

/// Syscalls with a function on x86_64 and no entry in its `syscall_64.tbl`.
#[rustfmt::skip]
const UNWIRED_X86_64: [&str; 42] = [
    "bdflush", "fadvise64_64", "fstat", "fstatfs64", "gethostname", "ipc", "llseek", "lstat", "mmap_pgoff", "ni_syscall",
    "nice", "old_getrlimit", "old_msgctl", "old_readdir", "old_semctl", "old_shmctl", "oldumount", "olduname",
    "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "recv", "rtas", "s390_ipc", "s390_pci_mmio_read",
    "s390_pci_mmio_write", "send", "sendfile", "sgetmask", "signal", "sigpending", "sigprocmask", "sigsuspend",
    "socketcall", "spu_create", "spu_run", "ssetmask", "stat", "statfs64", "stime", "subpage_prot", "sync_file_range2",
];

/// Syscalls with a function on arm64 and no entry in its table of 64-bit programs.
#[rustfmt::skip]
const UNWIRED_ARM64: [&str; 67] = [
    "access", "bdflush", "chmod", "chown", "creat", "dup2", "epoll_create", "epoll_wait", "eventfd", "fadvise64", "fork",
    "getdents", "gethostname", "getpgrp", "inotify_init", "ipc", "lchown", "link", "llseek", "lstat", "lstat64", "mkdir",
    "mknod", "mmap_pgoff", "modify_ldt", "newlstat", "newstat", "ni_syscall", "nice", "old_msgctl", "old_semctl",
    "old_shmctl", "open", "pause", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "pipe", "poll", "readlink",
    "recv", "rename", "rmdir", "rtas", "s390_ipc", "s390_pci_mmio_read", "s390_pci_mmio_write", "select", "send", "sendfile",
    "sgetmask", "signalfd", "sigpending", "sigprocmask", "sigsuspend", "socketcall", "spu_create", "spu_run", "ssetmask",
    "stat", "stat64", "subpage_prot", "symlink", "sync_file_range2", "unlink", "ustat", "vfork",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syscalls_without_tracepoints() {
        let check = |arch: &str, syscall: &str, expect: bool| {
            assert_eq!(is_wired(arch, syscall), expect, "{arch} {syscall}");
        };
        check("x86_64", "openat", true);
        check("x86_64", "open", true);
        check("x86_64", "sync_file_range2", false);
        check("x86_64", "getuid16", false);
        check("x86_64", "ia32_pread64", false);
        check("arm64", "open", false);
        check("arm64", "openat", true);
        check("s390x", "sync_file_range2", true);
    }

    #[test]
    fn syscalls_of_functions() {
        assert_eq!(syscall_of("x86_64", "__x64_sys_sync"), Some("sync"));
        assert_eq!(syscall_of("x86", "__ia32_sys_sync"), Some("sync"));
        assert_eq!(syscall_of("arm64", "__x64_sys_sync"), None);
        assert_eq!(syscall_of("ppc64le", "sys_sync"), None);
    }
}

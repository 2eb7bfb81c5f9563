//! What the allocator does with memory that was freed.

/// Has the C library's allocator keep what is freed, instead of giving it back to the kernel.
///
/// A commit is a chain of stages, each of which frees what the one before it needed. Memory that
/// was given back has to be mapped and cleared again, page by page: at 60,000 published ports that
/// is a fifth of the time in user space. For one-shot processes only, before the first large
/// allocation. Does nothing with other C libraries than glibc.
///
/// Source: `mallopt(3)`.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, i32::MAX),
        (libc::M_TRIM_THRESHOLD, i32::MAX),
        (libc::M_TOP_PAD, 1 << 20),
    ] {
        // SAFETY: mallopt takes two integers and touches only the allocator's own settings; a
        // value it does not like is ignored.
        unsafe { libc::mallopt(parameter, value) };
    }
}

//! Loaded into a process by `LD_PRELOAD`: whatever it wants to be on the disk takes a while to get there.

use std::ffi::{CStr, c_char, c_int, c_void};

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    fn usleep(microseconds: u32) -> c_int;
}

/// `RTLD_NEXT`: the function that this one stands in front of.
const NEXT: *mut c_void = -1_isize as *mut c_void;
const DELAY_US: u32 = 300_000;

fn slowly(name: &CStr, file: c_int) -> c_int {
    // SAFETY: both functions are the C library's and have this signature; `dlsym` finds them, for the process links them.
    unsafe {
        usleep(DELAY_US);
        let real: extern "C" fn(c_int) -> c_int = std::mem::transmute(dlsym(NEXT, name.as_ptr()));
        real(file)
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    slowly(c"fsync", file)
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    slowly(c"fdatasync", file)
}

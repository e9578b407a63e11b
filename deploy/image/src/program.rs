//! What a program says of itself: the architecture of the image is that of its program, never that of the machine or a
//! flag, and a program that needs a loader is refused, for on an empty root the kernel would answer only "no such file".

use std::path::Path;

use object::elf::{EM_AARCH64, EM_X86_64, PT_INTERP};
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};

use crate::error::Error;

/// The architecture of a static program, in the words of the image specification.
///
/// # Errors
/// A file that is no such program, with what is wrong.
pub(crate) fn architecture(path: &Path, bytes: &[u8]) -> Result<&'static str, Error> {
    let wrong = |why: String| Error::Program { path: path.to_owned(), why };
    let elf: ElfFile64<'_> =
        ElfFile64::parse(bytes).map_err(|error| wrong(format!("is no 64-bit Linux program: {error}")))?;
    let endian = elf.endian();
    if elf.elf_program_headers().iter().any(|header| header.p_type(endian) == PT_INTERP) {
        return Err(wrong(
            "is not static: it names a loader, and the image has none. Build it with scripts/static-build.sh"
                .to_owned(),
        ));
    }
    match elf.elf_header().e_machine(endian) {
        EM_X86_64 => Ok("amd64"),
        EM_AARCH64 => Ok("arm64"),
        other => Err(wrong(format!("is for a machine (ELF number {other}) that no image is made for"))),
    }
}

/// A program of nothing but its header, for tests.
#[cfg(test)]
pub(crate) fn empty_program(machine: u16) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(2u16.to_le_bytes());
    bytes.extend(machine.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([0; 28]);
    for half in [64u16, 56, 0, 64, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(bytes: &[u8]) -> Result<&'static str, String> {
        architecture(Path::new("program"), bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn the_architecture_is_read_from_the_program() {
        assert_eq!(judge(&empty_program(EM_X86_64)), Ok("amd64"));
        assert_eq!(judge(&empty_program(EM_AARCH64)), Ok("arm64"));
        assert!(judge(&empty_program(8)).unwrap_err().contains("no image is made for"));
        assert!(judge(b"#!/bin/sh").unwrap_err().contains("is no 64-bit Linux program"));
    }

    #[test]
    fn a_program_that_needs_a_loader_is_refused() {
        // This test is such a program.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(judge(&own).unwrap_err().contains("is not static"));
    }
}

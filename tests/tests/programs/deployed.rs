//! The committed binaries themselves: what a cluster takes, and what their list says.

use std::{fs, path::PathBuf};

use sha2::{Digest as _, Sha256};

use crate::svm::{HOSTILE, SESSION, SESSION_FACTORY};

/// Where an ELF header of 64 bits has `e_flags`, which hold the version of SBPF.
const E_FLAGS: usize = 48;

#[test]
fn every_program_is_made_for_sbpf_v3() {
    for (name, elf) in [
        ("session", SESSION),
        ("session_factory", SESSION_FACTORY),
        ("hostile", HOSTILE),
    ] {
        assert_eq!(&elf[..4], b"\x7fELF", "{name}");
        assert_eq!(
            elf[E_FLAGS..E_FLAGS + 4],
            3_u32.to_le_bytes(),
            "{name}: clusters with SIMD-0500 take no other"
        );
    }
}

#[test]
fn every_binary_is_in_the_list_and_names_no_machine() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../programs/deploy");
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let mut binaries = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "so") {
            continue;
        }
        binaries += 1;
        let bytes = fs::read(&path).unwrap();
        let hex = format!("{:x}", Sha256::digest(&bytes));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(sums.contains(&format!("{hex}  {name}\n")), "{name}");
        let text = String::from_utf8_lossy(&bytes);
        for place in ["/home/", "/root/", "/work/", "/registry/"] {
            assert!(!text.contains(place), "{name} holds {place}");
        }
    }
    assert_eq!(binaries, 3);
}

use aiops_core::logs::{FrameError, Frames};
use proptest::prelude::*;

/// All frames of `bytes`, pushed in pieces of `size`.
fn split(bytes: &[u8], size: usize, limit: usize) -> Vec<Result<String, FrameError>> {
    let mut frames = Frames::new(limit);
    let mut found = Vec::new();
    let text = |frame: &[u8]| String::from_utf8_lossy(frame).into_owned();
    for piece in bytes.chunks(size) {
        frames.push(piece);
        while let Some(frame) = frames.next_frame() {
            found.push(frame.map(text));
        }
    }
    found.extend(frames.finish().map(|frame| Ok(text(frame))));
    found
}

#[track_caller]
fn check(bytes: &[u8], expected: &[&str]) {
    for size in [1, 3, 1_000] {
        let found: Vec<_> = split(bytes, size, 20)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(found, expected, "pieces of {size}");
    }
}

#[test]
fn both_framings_on_one_connection() {
    check(
        b"5 hello3 a\nb<1>x\n<2>y\r\n\n\0<3>z\0<4>end",
        &["hello", "a\nb", "<1>x", "<2>y", "<3>z", "<4>end"],
    );
    check(b"", &[]);
    check(b"0 2 ab", &["ab"]);
}

#[test]
fn what_is_too_long_is_left_out_and_the_rest_goes_on() {
    for size in [1, 4, 100] {
        let long = "x".repeat(50);
        let found = split(format!("50 {long}2 ab{long}\n3 abc").as_bytes(), size, 20);
        assert!(matches!(
            found[0],
            Err(FrameError::TooLong {
                offset: 0,
                bytes: 50,
                limit: 20
            })
        ));
        assert_eq!(found[1], Ok("ab".to_owned()));
        assert!(matches!(
            found[2],
            Err(FrameError::TooLong {
                offset: 57,
                limit: 20,
                ..
            })
        ));
        assert_eq!(found[3], Ok("abc".to_owned()));
    }
    assert_eq!(split(b"20 12345678901234567890", 5, 20).len(), 1);
}

#[test]
fn a_length_that_is_none_costs_a_line() {
    for size in [1, 100] {
        let found = split(b"12x34\n3 abc99999999999 \n<1>ok\n", size, 20);
        assert_eq!(found[0], Err(FrameError::BadLength { offset: 0 }));
        assert_eq!(found[1], Ok("abc".to_owned()));
        assert_eq!(found[2], Err(FrameError::BadLength { offset: 11 }));
        assert_eq!(found[3], Ok("<1>ok".to_owned()));
    }
    assert_eq!(split(b"17", 1, 20), []); // a length without its message
}

proptest! {
    #[test]
    fn pieces_do_not_matter(bytes in prop::collection::vec(prop::sample::select(b"0123 9<>ab\n\r\0".to_vec()), 0..80), size in 1..20_usize) {
        let whole = split(&bytes, 1_000, 12);
        let pieces = split(&bytes, size, 12);
        // What was read of an overlong line when it was given up depends on the pieces.
        let frames = |found: &[Result<String, FrameError>]| -> Vec<String> {
            found.iter().filter_map(|frame| frame.clone().ok()).collect()
        };
        prop_assert_eq!(frames(&whole), frames(&pieces));
        prop_assert_eq!(whole.len(), pieces.len());
    }
}

//! Whatever stands in the file.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use davmux_config::Config;
use proptest::prelude::*;

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mounts.example.yaml");
    std::fs::read_to_string(path).unwrap()
}

/// Reads a text; a refusal says why, at a place in the text.
fn read(text: &str) {
    if let Err(mistakes) = Config::parse(text, "m.yaml", Path::new("/nonexistent"), |_| Some("value".to_owned())) {
        let lines = text.lines().count() + 2;
        assert!(mistakes.iter().next().is_some());
        for mistake in mistakes.iter() {
            assert!((1..=lines).contains(&mistake.at.line) && mistake.at.column >= 1, "{mistake}");
            assert!(!mistake.message.contains('\n'), "{mistake}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn anything_like_yaml(text in "([ \\-\\[\\]{}:,&*!|>'\"#%@`?~\n\t]|a|\\$\\{A\\}|---|\\.\\.\\.|<<|version: 1|mounts|é){0,60}") {
        read(&text);
    }

    #[test]
    fn the_example_with_a_piece_cut_out_or_put_in(
        at in any::<prop::sample::Index>(),
        cut in 0usize..40,
        put in "[ \\-\\[\\]{}:,&*'\"#\na0$\\PC]{0,4}",
    ) {
        let mut text: Vec<char> = example().chars().collect();
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, put.chars());
        read(&text.into_iter().collect::<String>());
    }

    #[test]
    fn the_example_with_two_lines_swapped_or_doubled(
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
        double in any::<bool>(),
    ) {
        let text = example();
        let mut lines: Vec<&str> = text.lines().collect();
        let (a, b) = (a.index(lines.len()), b.index(lines.len()));
        if double {
            lines.insert(a, lines[b]);
        } else {
            lines.swap(a, b);
        }
        read(&lines.join("\n"));
    }
}

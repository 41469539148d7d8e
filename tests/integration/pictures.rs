//! The pictures of the documentation show what the store says.

use kinfold_tests::pictures::EXAMPLES;

#[test]
fn the_pictures_of_resolution_are_drawn_from_stores() {
    let dir = kinfold_tests::data::package().join("../docs/pictures");
    for example in &EXAMPLES {
        let path = dir.join(format!("{}.dot", example.name));
        let drawn = example.dot().unwrap_or_else(|error| panic!("{}: {error}", example.name));
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            drawn, kept,
            "docs/pictures/{}.dot is not what the store says; `cargo run --release -p kinfold-tests --bin \
             pictures docs/pictures` writes it anew",
            example.name
        );
    }
}

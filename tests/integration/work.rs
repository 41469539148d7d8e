//! What hard shapes cost in reads and writes grows with what comes in, not with what is there.

use kinfold_tests::work::SHAPES;

#[test]
fn no_shape_is_quadratic() {
    // A step may cost a little more at four times the size, as where trees grow deeper; were the
    // whole looked at each time, it would cost four times as much.
    for (shape, size) in SHAPES.iter().zip([2_000, 3_000, 2_000, 10, 4_000, 4_000, 1_000]) {
        let small = (shape.run)(size).unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        let large = (shape.run)(4 * size).unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        for (what, small, large) in [
            ("reads", small.reads_a_step(), large.reads_a_step()),
            ("writes", small.writes_a_step(), large.writes_a_step()),
        ] {
            assert!(
                large <= 2.0 * small + 2.0,
                "{}: {what} a step grow from {small:.1} to {large:.1} at four times the size",
                shape.name
            );
        }
    }
}

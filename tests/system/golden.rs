//! The same decisions natively and inside workerd, to the bit.

use anyhow::Result;
use portico_tests::Inside;

#[tokio::test]
async fn golden_decisions_are_the_same_inside_workerd() -> Result<()> {
    let (native, inside) = (portico_inside::golden(), Inside::start().await?.golden().await?);
    for (line, (native, inside)) in native.lines().zip(inside.lines()).enumerate() {
        assert_eq!(inside, native, "line {line}");
    }
    assert_eq!(inside, native);
    Ok(())
}

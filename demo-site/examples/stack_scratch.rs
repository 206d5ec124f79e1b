use portico_demo_site::stack::*;
use std::path::PathBuf;
use std::time::Instant;
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let data = PathBuf::from("/tmp/stackdata");
    let o = EdgeOptions::from_env(data, free_port()?)?;
    let t = Instant::now();
    let mut e = Edge::start(o.clone()).await?;
    println!("start {:?} pid {:?}", t.elapsed(), e.pid());
    let c = reqwest::Client::new();
    let get = |p: &'static str| { let c = c.clone(); let o = e.origin(); async move { c.get(format!("{o}{p}")).send().await.unwrap().text().await.unwrap() } };
    println!("key ok {}", get("/key").await == o.operator_key);
    println!("asset {}", get("/assets/portico.js").await.len());
    println!("n {}", get("/x").await); println!("n {}", get("/x").await);
    println!("second: {:#}", Edge::start(o.clone()).await.unwrap_err());
    let t = Instant::now();
    e.kill().await?; println!("killed {:?}", t.elapsed());
    let t = Instant::now();
    e.restart().await?; println!("restart {:?}", t.elapsed());
    println!("n {}", get("/x").await);
    let t = Instant::now();
    e.stop().await?; println!("stopped {:?}", t.elapsed());
    e.restart().await?;
    println!("n {}", get("/x").await);
    println!("port: {:#}", check_port(o.port).unwrap_err());
    if std::env::args().nth(1).is_some() { std::process::abort(); }
    drop(e);
    let mut b = o.clone(); b.data = "/tmp/stackdata2".into(); b.dist = "/tmp".into();
    println!("bad dist: {:#}", Edge::start(b).await.unwrap_err());
    Ok(())
}

//! The smallest Lambda function there is: the floor that the start of `create-accounts` is compared with.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let hello = |event: LambdaEvent<Value>| async move { Ok::<Value, Error>(event.payload) };
    lambda_runtime::run(service_fn(hello))
        .await
        .map_err(anyhow::Error::from_boxed)
}

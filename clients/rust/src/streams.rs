//! Answers that come in parts: changes, and all that is known of a person.

use kinfold_proto::v1;
use kinfold_proto::v1::admin_service_client::AdminServiceClient;
use kinfold_proto::v1::export_person_response::Part;
use kinfold_proto::v1::watch_service_client::WatchServiceClient;
use tonic::Streaming;

use crate::client::{Client, MAX_MESSAGE_BYTES};
use crate::error::ClientError;
use crate::retry::Again;

impl Client {
    /// Follows the changes to who is who from a position on; does not end by itself.
    pub async fn watch(&self, from: v1::WatchPosition) -> Result<Feed, ClientError> {
        let mut service = WatchServiceClient::new(self.wire()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = v1::WatchRequest { from: Some(from), view: v1::View::Full.into() };
        let stream = service.watch(request).await.map_err(|status| self.refused(&status))?.into_inner();
        Ok(Feed { client: self.clone(), stream })
    }

    /// Everything that the store holds about a person, in parts.
    pub async fn export_person(&self, request: v1::ExportPersonRequest) -> Result<Export, ClientError> {
        let stream = self.call(Again::Safe, request, |wire, request| async move {
            let mut service = AdminServiceClient::new(wire).max_decoding_message_size(MAX_MESSAGE_BYTES);
            service.export_person(request).await
        });
        Ok(Export { stream: stream.await?, client: self.clone() })
    }
}

/// A feed of changes. Dropping it ends it.
#[derive(Debug)]
pub struct Feed {
    client: Client,
    stream: Streaming<v1::WatchResponse>,
}

impl Feed {
    /// The next message: events, or none where there are none for now. Its
    /// position is where another feed would go on behind it.
    pub async fn next(&mut self) -> Result<v1::WatchResponse, ClientError> {
        match self.stream.message().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.client.contract("the feed ends without a reason")),
            Err(status) => Err(self.client.refused(&status)),
        }
    }
}

/// What the store holds about a person: first the profile, then links, last events.
#[derive(Debug)]
pub struct Export {
    client: Client,
    stream: Streaming<v1::ExportPersonResponse>,
}

impl Export {
    /// The next part; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Part>, ClientError> {
        match self.stream.message().await {
            Ok(Some(message)) => {
                message.part.map(Some).ok_or_else(|| self.client.contract("an empty message"))
            }
            Ok(None) => Ok(None),
            Err(status) => Err(self.client.refused(&status)),
        }
    }
}

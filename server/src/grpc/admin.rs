//! `AdminService`.

use kinfold_proto::v1;
use kinfold_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::call::App;
use super::{from_proto, to_proto};

/// Looks after the store.
pub(crate) struct Admin(pub(crate) App);

#[tonic::async_trait]
impl AdminService for Admin {
    async fn get_stats(
        &self,
        request: Request<v1::GetStatsRequest>,
    ) -> Result<Response<v1::GetStatsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "", async {
                self.0.snapshot(from_proto::at_least(request.options)).await?;
                let store = self.0.store().clone();
                self.0.lookup(move |_| Ok(to_proto::stats(store.stats()?))).await
            })
            .await
    }
}

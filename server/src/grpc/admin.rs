//! `AdminService`.

use kinfold_engine::read::Read as _;
use kinfold_engine::write::Authored;
use kinfold_proto::v1;
use kinfold_proto::v1::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::call::App;
use super::{from_proto, to_proto};
use crate::schema_change::{ChangeError, Named, SchemaChange};

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

    async fn get_schema(
        &self,
        request: Request<v1::GetSchemaRequest>,
    ) -> Result<Response<v1::GetSchemaResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "", async {
                let read = self.0.snapshot(from_proto::at_least(request.options)).await?;
                let schema = read.schema().text().to_owned();
                Ok(v1::GetSchemaResponse { schema, sequence: read.seq().get() })
            })
            .await
    }

    async fn plan_schema(
        &self,
        request: Request<v1::PlanSchemaRequest>,
    ) -> Result<Response<v1::PlanSchemaResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let most = self.0.config().max_send_bytes;
        let store = self.0.store().clone();
        let work =
            self.0.lookup(move |_| Ok(change(&request.schema, &request.assertions)?.plan(&store, most)?));
        self.0.long(&metadata, "", work).await
    }

    async fn apply_schema(
        &self,
        request: Request<v1::ApplySchemaRequest>,
    ) -> Result<Response<v1::ApplySchemaResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let most = self.0.config().max_send_bytes;
        let work = self.0.change(move |store| {
            let by = Authored { author: request.author, reason: request.reason };
            Ok(change(&request.schema, &request.assertions)?.apply(store, by, request.go_on, most)?)
        });
        self.0.long(&metadata, MAYBE_APPLIED, work).await
    }
}

const MAYBE_APPLIED: &str = "; the schema may be put in force all the same: GetSchema tells";

fn change(schema: &str, assertions: &str) -> Result<SchemaChange, ChangeError> {
    let schema = Named { text: schema, name: "schema" };
    SchemaChange::parse(schema, Some(Named { text: assertions, name: "assertions" }))
}

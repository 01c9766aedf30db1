//! One permission does not stand for another, nor a tenant's access for staff's.

use kernel::{Access, Operator, permission::*};

pub async fn rotate(_: &Access<CredentialsWrite>) {}
pub async fn provision(_: &Operator<TenantsWrite>) {}

pub async fn reader(access: Access<CredentialsRead>) {
    rotate(&access).await;
}

pub async fn tenant(access: Access<CredentialsWrite>) {
    provision(&access).await;
}

pub async fn entering(operator: Operator<TenantsRead>, tenant: kernel::db::Tenant) {
    let _ = operator.enter::<CredentialsWrite>(tenant, "curious").await;
}

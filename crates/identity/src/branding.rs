//! How a tenant presents itself in its console: company, colour and logo. They are part of the
//! configuration; the logo's image lies beside it, named by its digest, and is only ever sent as
//! what it was recognised to be.

mod image;
pub mod pages;

use kernel::{
    Access, Result, Tx,
    configuration::{self, Branding, Version},
    db::Tenant,
    permission::{Permission, SettingsWrite},
};
use ui::Brand;

pub use image::Image;

/// How many images of a tenant's are kept, so that earlier versions can be restored.
const KEPT: i64 = 50;

/// The tenant's brand, for the frame around its pages. One query.
pub async fn brand<P: Permission>(access: &Access<P>) -> Result<Brand> {
    let mut tx = access.read().await?;
    let version = configuration::current(&mut tx).await?;
    tx.commit().await?;
    Ok(shown(access.tenant(), &version.configuration.branding))
}

fn shown(tenant: &Tenant, branding: &Branding) -> Brand {
    Brand {
        company: branding.company.clone(),
        logo: branding.logo.as_ref().map(|logo| href(tenant, logo)),
        colour: branding
            .colour
            .as_deref()
            .and_then(|colour| colour.parse().ok()),
    }
}

/// The address of a logo. What it leads to never changes.
fn href(tenant: &Tenant, digest: &str) -> String {
    tenant.href(&format!("/branding/logo/{digest}"))
}

/// What is to happen to the logo.
#[derive(Debug)]
enum Logo {
    Keep,
    Remove,
    Replace(Image),
}

/// Changes company and colour, and the logo with its image, in one transaction.
async fn change(
    access: &Access<SettingsWrite>,
    seen: i64,
    company: Option<String>,
    colour: Option<String>,
    logo: Logo,
) -> Result<Version> {
    let mut tx = access.begin().await?;
    let mut configuration = configuration::at(&mut tx, seen).await?.configuration;
    configuration.branding.company = company;
    configuration.branding.colour = colour;
    match logo {
        Logo::Keep => {}
        Logo::Remove => configuration.branding.logo = None,
        Logo::Replace(image) => {
            let digest = store(&mut tx, &image).await?;
            configuration.branding.logo = Some(digest);
        }
    }
    let version = configuration::write(&mut tx, seen, &configuration).await?;
    tx.commit().await?;
    Ok(version)
}

/// Puts an image beside the configuration, and lets the oldest go where there are too many.
async fn store(tx: &mut Tx, image: &Image) -> Result<String> {
    let digest = image.digest();
    sqlx::query!(
        "INSERT INTO cell.tenant_logo (digest, content_type, image) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, digest) DO NOTHING",
        digest,
        image.content_type(),
        image.bytes()
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "DELETE FROM cell.tenant_logo WHERE digest <> $1 AND digest IN (
             SELECT digest FROM cell.tenant_logo ORDER BY created_at DESC, digest OFFSET $2)",
        digest,
        KEPT
    )
    .execute(tx.conn())
    .await?;
    Ok(digest)
}

/// Changes the logo alone.
#[cfg(test)]
pub async fn change_logo(
    access: &Access<SettingsWrite>,
    seen: i64,
    image: Image,
) -> Result<Version> {
    change(access, seen, None, None, Logo::Replace(image)).await
}

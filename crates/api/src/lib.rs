//! The HTTP edge that all endpoints share. A handler takes an [`ApiRequest`], which is authenticated and authorised, and returns an
//! [`ApiResponse`] or an [`ApiError`]. Everything else about HTTP is in this crate.

mod admission;
mod base_url;
mod body_fields;
mod cookies;
mod cursor;
mod endpoint;
mod error;
mod json_object;
mod page;
mod public_endpoint;
mod query;
mod request;
mod response;
mod serve;
mod static_page;
mod static_site;
mod throttle_cache;
pub mod view;

pub use admission::KeyAdmission;
pub use base_url::BaseUrl;
pub use body_fields::BodyFields;
pub use cookies::{LOGIN_COOKIE, SESSION_COOKIE, forget_cookie, set_cookie};
pub use endpoint::{Endpoint, PublicEndpoint};
pub use error::ApiError;
pub use json_object::named;
pub use lambda_http::Error;
pub use page::Paging;
pub use public_endpoint::{PublicRequest, respond_public, serve_public};
pub use request::ApiRequest;
pub use response::{ApiResponse, HttpResponse};
pub use serve::serve;
pub use static_page::{StaticPage, serve_page};
pub use static_site::{SiteFile, StaticSite, serve_site};

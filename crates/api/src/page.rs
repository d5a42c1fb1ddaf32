//! Pagination: `limit` with `page` for small lists, or with an opaque `cursor` for any list.

use domain::id::OrgId;
use domain::ports::{COUNT_CAP, Organisations, Page, Window};
use domain::problem::FieldErrors;
use serde_json::{Value, json};

use crate::cursor::{Position, SealedCursor, seal};
use crate::json_object::set;
use crate::{ApiError, ApiRequest, ApiResponse};

const MAX_LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 20;
/// The maximum number of rows that `page` may skip: they are read one by one. Beyond it, a cursor is needed.
const MAX_SKIP: usize = 1_000;
const NO_CURSOR: &str = "is not a cursor of this list";

/// The page that a request asks for.
#[derive(Debug, Clone)]
pub struct Paging<'a, O> {
    /// The rows to ask the store for.
    pub window: Window,
    page: usize,
    org: OrgId,
    /// The text that a cursor is bound to: the organisation, the list, its order and its filters.
    binding: String,
    organisations: &'a O,
}

impl<'a, O: Organisations> Paging<'a, O> {
    /// Reads `limit`, `page` and `cursor`. `list` names the list, its order and all its filters: a cursor is valid for nothing else.
    /// The organisation's secret is read only if there is a cursor to check, and in [`respond`](Self::respond) if there is one to issue.
    pub async fn of(request: &ApiRequest, list: &str, organisations: &'a O, errors: &mut FieldErrors) -> Result<Self, ApiError> {
        let number = |name: &'static str, range: std::ops::RangeInclusive<usize>, errors: &mut FieldErrors| {
            request.query_as(name, errors, |text| {
                let number = text.parse().ok().filter(|number| range.contains(number));
                number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
            })
        };
        let limit = number("limit", 1..=MAX_LIMIT, errors).unwrap_or(DEFAULT_LIMIT);
        let page = number("page", 1..=usize::MAX, errors);
        let org = request.caller.org;
        let binding = format!("{org} {list}");
        let sealed = request.query_as("cursor", errors, |text| SealedCursor::read(text).ok_or_else(|| NO_CURSOR.to_owned()));
        let mut position = None;
        if let Some(sealed) = sealed {
            position = sealed.open(&organisations.cursor_secret(&org).await?, &binding);
            if position.is_none() {
                errors.add("cursor", NO_CURSOR);
            }
        }
        let skip = page.map_or(0, |page| (page - 1).saturating_mul(limit));
        if page.is_some() && request.query("cursor").is_some() {
            errors.add("page", "cannot be combined with a cursor");
        } else if skip > MAX_SKIP {
            errors.add("page", format!("reaches beyond {MAX_SKIP} rows; follow meta.nextCursor instead"));
        }
        let (window, page) = match position {
            None => (Window { after: None, skip, limit, was_beyond_cap: false }, page.unwrap_or(1)),
            Some(Position { after, page, beyond_cap }) => {
                (Window { after: Some(after), skip, limit, was_beyond_cap: beyond_cap }, usize::try_from(page).unwrap_or(usize::MAX))
            }
        };
        Ok(Self { window, page, org, binding, organisations })
    }

    /// Returns the page as it is sent.
    pub async fn respond<T>(&self, page: &Page<T>, row: impl Fn(&T) -> Value) -> Result<ApiResponse, ApiError> {
        let total = page.total.min(COUNT_CAP);
        let mut meta = json!({"pages": total.div_ceil(self.window.limit as u64)});
        let beyond_cap = page.total > COUNT_CAP;
        if beyond_cap {
            set(&mut meta, "totalIsCapped", Value::Bool(true));
        }
        if let Some(after) = &page.next {
            let position =
                Position { after: after.clone(), page: u32::try_from(self.page).unwrap_or(u32::MAX).saturating_add(1), beyond_cap };
            let secret = self.organisations.cursor_secret(&self.org).await?;
            set(&mut meta, "nextCursor", Value::from(seal(&secret, &self.binding, &position)));
        }
        if page.unreadable > 0 {
            set(&mut meta, "unreadable", Value::from(page.unreadable));
        }
        let rows: Vec<Value> = page.rows.iter().map(row).collect();
        let body = json!({"data": rows, "total": total, "page": self.page, "limit": self.window.limit, "meta": meta});
        Ok(ApiResponse::page(body))
    }
}

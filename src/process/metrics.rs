//! The registry of series, and their text form.

use std::sync::Arc;

use prometheus_client::registry::Registry;

/// Content type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All series as OpenMetrics text.
///
/// # Errors
/// When a series cannot be written, which would be a defect of that series.
pub fn encode(registry: &Arc<Registry>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

//! Errors as the service words them: a code, and a message in the language the caller asked for.

use std::borrow::Cow;

/// Language of messages, from `X-TC-Language`. The service's own default is Chinese.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// `zh-CN`
    #[default]
    Chinese,
    /// `en-US`
    English,
}

impl Language {
    /// Reads the header value; anything but `en-US` means Chinese.
    pub fn from_header(value: Option<&str>) -> Self {
        if value.is_some_and(|value| value.eq_ignore_ascii_case("en-US")) { Self::English } else { Self::Chinese }
    }
}

/// An `Error` object to be put into the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Tencent's dotted code.
    pub code: Cow<'static, str>,
    detail: String,
    message: Option<String>,
}

impl ApiError {
    /// An error with the usual message of its code.
    pub fn new(code: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), detail: String::new(), message: None }
    }

    /// An error whose message names something: a parameter, an id, a figure.
    pub fn about(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), message: None }
    }

    /// An error with a message of the caller's own.
    pub fn with_message(code: impl Into<Cow<'static, str>>, message: Option<String>) -> Self {
        Self { code: code.into(), detail: String::new(), message }
    }

    /// The text for the `Message` member.
    pub fn message(&self, language: Language) -> String {
        if let Some(message) = &self.message {
            return message.clone();
        }
        let (english, chinese) = texts(&self.code);
        let (text, link) = match language {
            Language::English => (english, ": "),
            Language::Chinese => (chinese, "："),
        };
        if self.detail.is_empty() { text.to_owned() } else { format!("{text}{link}{}", self.detail) }
    }
}

/// English and Chinese text of a code; a sub-code without a text of its own has that of its parent.
fn texts(code: &str) -> (&'static str, &'static str) {
    TEXTS
        .iter()
        .find(|(known, ..)| *known == code)
        .map(|(_, english, chinese)| (*english, *chinese))
        .or_else(|| code.rsplit_once('.').map(|(parent, _)| texts(parent)))
        .unwrap_or(("The request could not be served", "请求无法处理"))
}

const TEXTS: &[(&str, &str, &str)] = &[
    ("AuthFailure", "CAM signature or authentication error", "CAM签名/鉴权错误"),
    (
        "AuthFailure.InvalidAuthorization",
        "The Authorization header is malformed",
        "请求头部的Authorization不符合腾讯云标准",
    ),
    ("AuthFailure.InvalidSecretId", "The key is not a cloud API key", "密钥非法（不是云API密钥类型）"),
    ("AuthFailure.NotEnterpriseAuthorization", "The account is not enterprise-verified", "该账号未通过企业认证"),
    ("AuthFailure.SecretIdNotFound", "The SecretId does not exist, or was deleted or disabled", "密钥不存在"),
    ("AuthFailure.SignatureExpire", "The signature expired; the clocks differ by more than five minutes", "签名过期"),
    ("AuthFailure.SignatureFailure", "The signature is wrong; check the signing steps and the SecretKey", "签名错误"),
    ("AuthFailure.TokenFailure", "The token is wrong or expired", "token错误"),
    ("AuthFailure.UnauthorizedOperation", "You are not authorised by CAM to do this", "请求未授权"),
    ("FailedOperation", "The operation failed", "操作失败"),
    (
        "FailedOperation.AccountBalanceInsufficient",
        "The account balance is not sufficient",
        "账户余额不足，无法创建该通道",
    ),
    ("FailedOperation.ActionIsDoing", "The operation is in progress, do not repeat it", "操作正在执行中，请勿重复操作"),
    (
        "FailedOperation.BelongDifferentGroup",
        "The connections belong to different groups and cannot be handled in one batch",
        "该批通道归属于不同的通道组，无法批量操作",
    ),
    (
        "FailedOperation.DuplicatedRequest",
        "Duplicate request, check the ClientToken",
        "重复的请求，请检查ClientToken的值",
    ),
    ("FailedOperation.NonStandardProxy", "This is a special connection, it cannot be changed", "非标通道，禁止操作"),
    (
        "FailedOperation.RealServerAlreadyBound",
        "Origin servers are bound, the connection cannot be deleted",
        "已经绑定了源站，无法删除",
    ),
    ("FailedOperation.ResourceNotFound", "The resource does not exist", "资源不存在"),
    ("FailedOperation.UserNotConfirmProtocol", "The service terms have not been accepted", "用户未签署服务协议"),
    ("InternalError", "Internal error", "内部错误"),
    ("InvalidAction", "The action does not exist", "接口不存在"),
    ("InvalidParameter", "Wrong parameter", "参数错误"),
    ("InvalidParameterValue", "Wrong parameter value", "参数取值错误"),
    ("InvalidRequest", "The multipart or JSON body is malformed", "请求 body 的格式错误"),
    ("LimitExceeded", "Quota exceeded", "超过配额限制"),
    ("MissingParameter", "A required parameter is missing", "缺少参数错误"),
    ("NoSuchProduct", "The product does not exist", "产品不存在"),
    ("NoSuchVersion", "The API version does not exist", "接口版本不存在"),
    ("RequestLimitExceeded", "Your current request count exceeds the frequency limit", "请求的次数超过了频率限制"),
    ("RequestSizeLimitExceeded", "The request is too large", "请求包超过限制大小"),
    ("ResourceInUse", "The resource is in use", "资源被占用"),
    ("ResourceNotFound", "The resource does not exist", "资源不存在"),
    ("ResourceUnavailable", "The resource is not available", "资源不可用"),
    (
        "ResourceUnavailable.AccountViolation",
        "The account holds resources that violate the rules",
        "该账号下存在违规的资源",
    ),
    ("ServiceUnavailable", "The service is not available for the moment", "当前服务暂时不可用"),
    ("UnauthorizedOperation", "Not authorised", "未授权操作"),
    ("UnknownParameter", "Unknown parameter", "未知参数错误"),
    ("UnsupportedOperation", "The operation is not supported", "不支持该操作"),
    ("UnsupportedProtocol", "Only GET and POST are supported", "http(s) 请求协议错误，只支持 GET 和 POST 请求"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_speaks_the_language_that_was_asked_for() {
        let error = ApiError::about("ResourceNotFound", "link-1");
        assert_eq!(error.message(Language::from_header(Some("en-US"))), "The resource does not exist: link-1");
        assert_eq!(error.message(Language::from_header(Some("zh-CN"))), "资源不存在：link-1");
        assert_eq!(Language::from_header(None), Language::Chinese);
    }

    #[test]
    fn a_sub_code_without_its_own_text_has_that_of_its_parent() {
        let error = ApiError::new("RequestLimitExceeded.UinLimitExceeded");
        assert!(error.message(Language::English).contains("frequency limit"));
        assert!(!ApiError::new("Brand.New").message(Language::English).is_empty());
    }
}

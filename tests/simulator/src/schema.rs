//! The actions the simulator serves and the parameters each documents; anything else is `UnknownParameter`.

/// Which product an action belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Global application acceleration.
    Gaap,
    /// Security token service.
    Sts,
}

impl Product {
    /// The name in the credential scope.
    pub fn service(self) -> &'static str {
        match self {
            Self::Gaap => "gaap",
            Self::Sts => "sts",
        }
    }

    /// The only version of the product's API.
    pub fn version(self) -> &'static str {
        match self {
            Self::Gaap => "2018-05-29",
            Self::Sts => "2018-08-13",
        }
    }

    /// The product of a credential scope.
    pub fn of_service(service: &str) -> Option<Self> {
        [Self::Gaap, Self::Sts].into_iter().find(|product| product.service() == service)
    }
}

/// The documented type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JSON number without a fraction, or its decimal form in a GET query.
    Integer,
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A list of `{TagKey, TagValue}`.
    Tags,
    /// A list of `{Name, Values}`.
    Filters,
}

/// One documented parameter.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Name on the wire.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Whether its absence is `MissingParameter`.
    pub required: bool,
}

/// One action.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// Name as in `X-TC-Action`.
    pub name: &'static str,
    /// Product.
    pub product: Product,
    /// Documented parameters.
    pub members: &'static [Member],
}

const fn required(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, required: true }
}

const fn optional(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, required: false }
}

const SWITCH: &[Member] =
    &[optional("InstanceIds", Kind::Texts), optional("ClientToken", Kind::Text), optional("ProxyIds", Kind::Texts)];

/// All actions.
pub const ACTIONS: &[Action] = &[
    Action {
        name: "DestroyProxies",
        product: Product::Gaap,
        members: &[
            required("Force", Kind::Integer),
            optional("InstanceIds", Kind::Texts),
            optional("ClientToken", Kind::Text),
            optional("ProxyIds", Kind::Texts),
        ],
    },
    Action {
        name: "DescribeProxies",
        product: Product::Gaap,
        members: &[
            optional("InstanceIds", Kind::Texts),
            optional("Offset", Kind::Integer),
            optional("Limit", Kind::Integer),
            optional("Filters", Kind::Filters),
            optional("ProxyIds", Kind::Texts),
            optional("TagSet", Kind::Tags),
            optional("Independent", Kind::Integer),
            optional("Order", Kind::Text),
            optional("OrderField", Kind::Text),
        ],
    },
    Action {
        name: "DescribeProxiesStatus",
        product: Product::Gaap,
        members: &[optional("InstanceIds", Kind::Texts), optional("ProxyIds", Kind::Texts)],
    },
    Action {
        name: "CreateProxy",
        product: Product::Gaap,
        members: &[
            required("ProjectId", Kind::Integer),
            required("ProxyName", Kind::Text),
            required("AccessRegion", Kind::Text),
            required("Bandwidth", Kind::Integer),
            required("Concurrent", Kind::Integer),
            optional("RealServerRegion", Kind::Text),
            optional("ClientToken", Kind::Text),
            optional("GroupId", Kind::Text),
            optional("TagSet", Kind::Tags),
            optional("ClonedProxyId", Kind::Text),
            optional("BillingType", Kind::Integer),
            optional("IPAddressVersion", Kind::Text),
            optional("NetworkType", Kind::Text),
            optional("PackageType", Kind::Text),
            optional("Http3Supported", Kind::Integer),
        ],
    },
    Action { name: "CloseProxies", product: Product::Gaap, members: SWITCH },
    Action { name: "OpenProxies", product: Product::Gaap, members: SWITCH },
    Action { name: "GetCallerIdentity", product: Product::Sts, members: &[] },
];

/// The action of this name.
pub fn action(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

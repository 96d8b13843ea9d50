//! The methods of a contract as their descriptors tell: what each needs, costs
//! and streams. A method without a permission is not in the table, so it is
//! denied.

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

/// A method of the contract.
#[derive(Debug)]
pub struct Method {
    /// Path of the call, such as `/mainstay.incident.v1.IncidentService/GetIncident`.
    pub path: String,
    /// The permission that the caller must hold.
    pub permission: String,
    /// What a call costs, in rate-limit units.
    pub cost: u32,
    /// Whether the call only reads, so that GET may be used.
    pub no_side_effects: bool,
    /// Its descriptor.
    pub descriptor: MethodDescriptor,
}

/// The methods of a contract, by path.
#[derive(Clone, Debug, Default)]
pub struct Methods(Arc<HashMap<String, Arc<Method>>>);

impl Methods {
    /// The methods of all services in the pool that have a permission.
    pub fn of(pool: &DescriptorPool) -> Self {
        let methods = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        Self::from_iter(methods.filter_map(Method::of))
    }

    /// The method at a path.
    pub fn get(&self, path: &str) -> Option<&Arc<Method>> {
        self.0.get(path)
    }

    /// All methods, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Method>> {
        self.0.values()
    }
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self(Arc::new(
            methods
                .into_iter()
                .map(|method| (method.path.clone(), Arc::new(method)))
                .collect(),
        ))
    }
}

impl Method {
    /// Reads a method's options; none when it has no permission.
    pub fn of(descriptor: MethodDescriptor) -> Option<Self> {
        let options = descriptor.options();
        let permission = option(&options, "permission")?.as_str()?.to_owned();
        let cost = option(&options, "cost")
            .and_then(|cost| cost.as_u32())
            .unwrap_or(1)
            .max(1);
        let level = options.get_field_by_name("idempotency_level");
        Some(Self {
            path: format!(
                "/{}/{}",
                descriptor.parent_service().full_name(),
                descriptor.name()
            ),
            permission,
            cost,
            no_side_effects: level.and_then(|level| level.as_enum_number()) == Some(1),
            descriptor,
        })
    }

    /// The proto package of its service.
    pub fn package(&self) -> String {
        self.descriptor.parent_service().package_name().to_owned()
    }
}

/// An option of `mainstay.record.v1` on a method, when it is set.
fn option(options: &DynamicMessage, name: &str) -> Option<Value> {
    use prost_reflect::ReflectMessage;
    let pool = options.descriptor().parent_pool().clone();
    let extension = pool.get_extension_by_name(&format!("mainstay.record.v1.{name}"))?;
    options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).into_owned())
}

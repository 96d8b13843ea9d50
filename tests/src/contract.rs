//! The contract as an image says it: what is wrong with it, and what of an
//! earlier image it breaks. `buf` checks the shapes too; rules, permissions and
//! our own conventions are checked here only.

mod faults;
mod rules;
mod shapes;

use anyhow::Result;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, MessageDescriptor, MethodDescriptor,
    ReflectMessage, Value,
};

/// The contract that an image holds.
#[derive(Debug)]
pub struct Contract(DescriptorPool);

impl Contract {
    /// Reads an image.
    pub fn decode(image: &[u8]) -> Result<Self> {
        Ok(Self(DescriptorPool::decode(image)?))
    }

    /// What breaks our own conventions, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let of_methods = self.methods().flat_map(|method| faults::of_method(&method));
        let of_enums = self.enums().flat_map(|each| faults::of_enum(&each));
        of_methods.chain(of_enums).collect()
    }

    /// What a client of the earlier contract could not live with, a sentence each.
    pub fn breaks_since(&self, earlier: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for old in earlier.methods() {
            shapes::compare_method(&old, self.method(&old), &mut found);
        }
        for old in earlier.messages() {
            match self.0.get_message_by_name(old.full_name()) {
                Some(new) => {
                    shapes::compare_message(&old, &new, &mut found);
                    rules::compare(&old, &new, &mut found);
                }
                None => found.push(format!("{} is gone", old.full_name())),
            }
        }
        for old in earlier.enums() {
            shapes::compare_enum(
                &old,
                self.0.get_enum_by_name(old.full_name()).as_ref(),
                &mut found,
            );
        }
        found
    }

    /// Every method of the contract.
    pub fn methods(&self) -> impl Iterator<Item = MethodDescriptor> {
        let own = self
            .0
            .services()
            .filter(|service| is_own(service.full_name()));
        own.flat_map(|service| service.methods().collect::<Vec<_>>())
    }

    /// The pool that holds it.
    pub fn pool(&self) -> &DescriptorPool {
        &self.0
    }

    fn method(&self, like: &MethodDescriptor) -> Option<MethodDescriptor> {
        let service = self
            .0
            .get_service_by_name(like.parent_service().full_name())?;
        service
            .methods()
            .find(|method| method.name() == like.name())
    }

    fn messages(&self) -> impl Iterator<Item = MessageDescriptor> {
        self.0
            .all_messages()
            .filter(|message| is_own(message.full_name()))
    }

    fn enums(&self) -> impl Iterator<Item = EnumDescriptor> {
        self.0.all_enums().filter(|each| is_own(each.full_name()))
    }
}

fn is_own(full_name: &str) -> bool {
    full_name.starts_with("mainstay.")
}

/// The value of an extension on a set of options, when it is set.
pub fn extension(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options
        .descriptor()
        .parent_pool()
        .get_extension_by_name(name)?;
    let set = options.has_extension(&extension);
    set.then(|| options.get_extension(&extension).into_owned())
}

/// The permission that a method asks for; empty when it names none.
pub fn permission(method: &MethodDescriptor) -> String {
    let value = extension(&method.options(), "mainstay.record.v1.permission");
    value
        .as_ref()
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The audit class of a method: 0 when it names none, 1 when it reads.
pub(crate) fn audit(method: &MethodDescriptor) -> i32 {
    let value = extension(&method.options(), "mainstay.record.v1.audit");
    value
        .as_ref()
        .and_then(Value::as_enum_number)
        .unwrap_or_default()
}

/// What a method costs; 0 when it does not say.
pub(crate) fn cost(method: &MethodDescriptor) -> u32 {
    let value = extension(&method.options(), "mainstay.record.v1.cost");
    value.as_ref().and_then(Value::as_u32).unwrap_or_default()
}

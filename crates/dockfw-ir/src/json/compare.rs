//! Matches.

use serde_json::{Value as Json, json};

use super::{insert, statement, value};
use crate::print::compare::{in_order, operator_word, pattern, prefix_length, significant};
use crate::print::context::Context;
use crate::print::{symbol, value as text};
use crate::statement::{Match, Operator, Test};
use crate::value::{DataType, Value};

pub(super) fn compare(test: &Match, context: Context) -> Json {
    let left = statement::key(&test.key, context);
    let types = test.key.data_types();
    // A concatenation is only looked up; the others are never verified.
    let data_type = types.first().copied().unwrap_or(DataType::Mark);
    match &test.test {
        Test::Compare {
            mask,
            operator,
            value,
        } => constant(left, data_type, mask.as_ref(), *operator, value),
        Test::Range { negated, low, high } => {
            let (low, high) = (text::field(data_type, low), text::field(data_type, high));
            relation(negation(*negated), left, value::ends(data_type, low, high))
        }
        Test::Prefix { negated, prefix } => relation(negation(*negated), left, pattern(prefix)),
        Test::OneOf { negated, elements } => {
            let elements: Vec<Json> = in_order(&types, elements)
                .into_iter()
                .map(|each| value::concatenation(&types, &each.key, each.key_end.as_deref()))
                .collect();
            relation(negation(*negated), left, json!({"set": elements}))
        }
        Test::Set { negated, set } => relation(negation(*negated), left, json!(format!("@{set}"))),
    }
}

const fn negation(negated: bool) -> &'static str {
    if negated { "!=" } else { "==" }
}

pub(super) fn relation(operator: &str, left: Json, right: impl Into<Json>) -> Json {
    let mut object = json!({"op": operator});
    insert(&mut object, "left", left);
    insert(&mut object, "right", right);
    json!({"match": object})
}

fn constant(
    left: Json,
    data_type: DataType,
    mask: Option<&Value>,
    operator: Operator,
    value: &Value,
) -> Json {
    let bytes = text::field(data_type, value);
    let word = operator_word(operator);
    let Some(mask) = significant(data_type, mask) else {
        return relation(word, left, value::single(data_type, bytes));
    };
    if symbol::is_flags(data_type)
        && let Some(bits) = symbol::number(data_type, mask)
        && let Some(number) = symbol::number(data_type, bytes)
    {
        let flags = value::flags(data_type, bits);
        return match (operator, number) {
            (Operator::NotEqual, 0) => relation("in", left, flags),
            (Operator::Equal, 0) => relation("!", left, flags),
            _ => relation(
                word,
                json!({"&": [left, flags]}),
                value::flags(data_type, number),
            ),
        };
    }
    if let Some(length) = prefix_length(data_type, mask) {
        return relation(word, left, value::prefix(data_type, bytes, length));
    }
    let masked = json!({"&": [left, value::single(data_type, mask)]});
    relation(word, masked, value::single(data_type, bytes))
}

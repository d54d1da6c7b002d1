//! A few of something, of which there is mostly one: the lanes that a connection is in.

/// None, one, or a list of its own.
#[derive(Debug, Default)]
pub(crate) enum Few<T> {
    #[default]
    None,
    One(T),
    /// Boxed twice, so that it is a word here.
    #[expect(clippy::box_collection, reason = "three words in every idle connection would be too many")]
    Many(Box<Vec<T>>),
}

impl<T> Few<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Few::None => &[],
            Few::One(one) => std::slice::from_ref(one),
            Few::Many(many) => many,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Few::None => &mut [],
            Few::One(one) => std::slice::from_mut(one),
            Few::Many(many) => many,
        }
    }

    pub(crate) fn push(&mut self, another: T) {
        *self = match std::mem::take(self) {
            Few::None => Few::One(another),
            Few::One(one) => Few::Many(Box::new(vec![one, another])),
            Few::Many(mut many) => {
                many.push(another);
                Few::Many(many)
            }
        };
    }

    /// Takes out the first for which `is_meant` says yes. The others keep their order.
    pub(crate) fn take_first(&mut self, is_meant: impl FnMut(&T) -> bool) -> Option<T> {
        let index = self.as_slice().iter().position(is_meant)?;
        match std::mem::take(self) {
            Few::None => None,
            Few::One(one) => Some(one),
            Few::Many(mut many) => {
                let taken = many.remove(index);
                // Whoever had several may have several again: the list stays until it is empty.
                if !many.is_empty() {
                    *self = Few::Many(many);
                }
                Some(taken)
            }
        }
    }

    /// Takes out the last.
    pub(crate) fn pop(&mut self) -> Option<T> {
        match std::mem::take(self) {
            Few::None => None,
            Few::One(one) => Some(one),
            Few::Many(mut many) => {
                let taken = many.pop();
                if !many.is_empty() {
                    *self = Few::Many(many);
                }
                taken
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept_in_their_order_however_many_there_are() {
        for count in 0..5 {
            let mut few = Few::default();
            (0..count).for_each(|number| few.push(number));
            assert_eq!(few.as_slice(), (0..count).collect::<Vec<_>>());
            few.as_mut_slice().iter_mut().for_each(|number| *number *= 2);
            assert_eq!(few.take_first(|&number| number == 2), (count > 1).then_some(2));
            assert_eq!(few.take_first(|&number| number == 7), None);
            let left: Vec<_> = (0..count).map(|number| number * 2).filter(|&number| number != 2).collect();
            assert_eq!(few.as_slice(), left);
            let popped: Vec<_> = std::iter::from_fn(|| few.pop()).collect();
            assert_eq!(popped, left.into_iter().rev().collect::<Vec<_>>());
            assert!(few.as_slice().is_empty());
        }
    }

    #[test]
    fn one_costs_two_words() {
        assert_eq!(size_of::<Few<(u32, u32)>>(), 16);
    }
}

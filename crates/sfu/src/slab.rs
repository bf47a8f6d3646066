//! Objects under typed keys that are never reused: a stale key finds nothing.
//!
//! The generation of an object is in front of it, in the cache line of the fields that are used
//! first: a look-up loads nothing that the caller does not need anyway.

use std::fmt;
use std::marker::PhantomData;

/// Position and generation of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawKey {
    index: u32,
    generation: u32,
}

/// A key of one kind of objects.
pub trait Key: Copy + fmt::Debug + Eq {
    /// Make the key from its position and generation.
    fn from_raw(raw: RawKey) -> Self;
    /// Return position and generation.
    fn raw(self) -> RawKey;
}

/// Define a key type for a kind of objects.
macro_rules! key_type {
    ($($(#[$doc:meta])+ $name:ident;)+) => {
        $($(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::slab::RawKey);

        impl $crate::slab::Key for $name {
            fn from_raw(raw: $crate::slab::RawKey) -> Self {
                Self(raw)
            }

            fn raw(self) -> $crate::slab::RawKey {
                self.0
            }
        })+
    };
}
pub(crate) use key_type;

/// A place for an object, at the start of a cache line: the generation and what is used first of
/// the object share it.
#[derive(Debug)]
#[repr(C, align(64))]
struct Place<V> {
    /// Generation of the present object, or of the next one.
    generation: u32,
    value: Option<V>,
}

/// Objects of one kind, found by their keys.
#[derive(Debug)]
pub struct Slab<K, V> {
    places: Vec<Place<V>>,
    free: Vec<u32>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Key, V> Default for Slab<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Key, V> Slab<K, V> {
    /// Begin without objects.
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            kind: PhantomData,
        }
    }

    /// Add an object.
    pub fn insert(&mut self, value: V) -> K {
        self.insert_with(|_| value)
    }

    /// Add an object that knows its key.
    pub fn insert_with(&mut self, make: impl FnOnce(K) -> V) -> K {
        let unused = self.free.last().copied();
        let nth = unused.map_or(self.places.len(), |index| index as usize);
        let generation = self.places.get(nth).map_or(0, |place| place.generation);
        let key = key(nth, generation);
        let value = Some(make(key));
        match self.free.pop() {
            Some(_) => self.places[nth].value = value,
            None => self.places.push(Place { generation, value }),
        }
        key
    }

    /// Return an object; `None` where it was removed.
    #[inline]
    #[must_use]
    pub fn get(&self, key: K) -> Option<&V> {
        let RawKey { index, generation } = key.raw();
        let place = self.places.get(index as usize)?;
        match place.generation == generation {
            true => place.value.as_ref(),
            false => None,
        }
    }

    /// Return an object to change; `None` where it was removed.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let RawKey { index, generation } = key.raw();
        let place = self.places.get_mut(index as usize)?;
        match place.generation == generation {
            true => place.value.as_mut(),
            false => None,
        }
    }

    /// Remove an object; its key finds nothing from now on.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let RawKey { index, generation } = key.raw();
        let place = self.places.get_mut(index as usize)?;
        if place.generation != generation {
            return None;
        }
        let value = place.value.take()?;
        // A place whose generations are used up is not used again.
        if place.generation < u32::MAX {
            place.generation += 1;
            self.free.push(index);
        }
        Some(value)
    }

    /// Return the number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Return whether there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// List the objects with their keys.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(nth, place)| Some((key(nth, place.generation), place.value.as_ref()?)))
    }

    /// List the objects with their keys, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(nth, place)| Some((key(nth, place.generation), place.value.as_mut()?)))
    }
}

fn key<K: Key>(place: usize, generation: u32) -> K {
    let index = place as u32;
    K::from_raw(RawKey { index, generation })
}

/// Further state of objects whose keys another [`Slab`] gives out.
#[derive(Debug)]
pub struct SlabMap<K, V> {
    values: Vec<Option<(RawKey, V)>>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Key, V> Default for SlabMap<K, V> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            kind: PhantomData,
        }
    }
}

impl<K: Key, V> SlabMap<K, V> {
    /// Set the state of an object, in place of that of another one that had its position.
    pub fn insert(&mut self, key: K, value: V) {
        let place = key.raw().index as usize;
        if self.values.len() <= place {
            self.values.resize_with(place + 1, || None);
        }
        self.values[place] = Some((key.raw(), value));
    }

    /// Return the state of an object; `None` where it was removed.
    #[inline]
    #[must_use]
    pub fn get(&self, key: K) -> Option<&V> {
        let (owner, value) = self.values.get(key.raw().index as usize)?.as_ref()?;
        (*owner == key.raw()).then_some(value)
    }

    /// Return the state of an object to change; `None` where it was removed.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (owner, value) = self.values.get_mut(key.raw().index as usize)?.as_mut()?;
        (*owner == key.raw()).then_some(value)
    }

    /// Remove the state of an object.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let place = self.values.get_mut(key.raw().index as usize)?;
        let (_, value) = place.take_if(|(owner, _)| *owner == key.raw())?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    key_type! {
        /// A key of the tests.
        TestKey;
    }

    #[test]
    fn a_stale_key_finds_nothing_though_its_position_is_used_again() {
        let mut slab: Slab<TestKey, &str> = Slab::new();
        let (first, second) = (slab.insert("first"), slab.insert("second"));
        assert_eq!(slab.remove(first), Some("first"));
        let third = slab.insert("third");
        assert_eq!(third.raw().index, first.raw().index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(
            (slab.get(second), slab.get(third)),
            (Some(&"second"), Some(&"third"))
        );
        assert_eq!(slab.len(), 2);
    }

    #[test]
    fn a_position_whose_generations_are_used_up_is_not_used_again() {
        let mut slab: Slab<TestKey, u8> = Slab::new();
        let key = slab.insert(1);
        slab.places[0].generation = u32::MAX;
        assert_eq!(slab.get(key), None);
        let last = TestKey::from_raw(RawKey {
            index: 0,
            generation: u32::MAX,
        });
        assert_eq!(slab.remove(last), Some(1));
        assert_eq!(slab.insert(2).raw().index, 1);
        assert_eq!(slab.get(last), None);
    }

    #[test]
    fn an_object_may_know_its_key() {
        let mut slab: Slab<TestKey, TestKey> = Slab::new();
        let stale = slab.insert_with(|key| key);
        slab.remove(stale);
        let key = slab.insert_with(|key| key);
        assert_eq!(slab.get(key), Some(&key));
        assert!(slab.iter().all(|(listed, own)| listed == *own));
        slab.iter_mut().for_each(|(_, own)| *own = stale);
        assert_eq!(slab.get(key), Some(&stale));
    }

    #[test]
    fn further_state_is_that_of_one_generation() {
        let (mut slab, mut map) = (
            Slab::<TestKey, ()>::new(),
            SlabMap::<TestKey, u8>::default(),
        );
        let first = slab.insert(());
        map.insert(first, 1);
        slab.remove(first);
        let second = slab.insert(());
        assert_eq!((map.get(first), map.get(second)), (Some(&1), None));
        assert_eq!(map.remove(second), None);
        map.insert(second, 2);
        assert_eq!(map.get(first), None);
        assert_eq!(map.get_mut(second), Some(&mut 2));
        assert_eq!((map.remove(first), map.remove(second)), (None, Some(2)));
    }
}

//! `MemberList`: a guild's member list by row, and the steps that a change makes.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tocsin_members::{MemberList, Row, Step};

const DELETE: u8 = 0;
const INSERT_GROUP: u8 = 1;
const INSERT: u8 = 2;

/// Members in groups, each ordered by name and id.
#[pyclass(name = "MemberList", module = "tocsin._core")]
pub(crate) struct PyMemberList {
    inner: MemberList,
}

#[pymethods]
impl PyMemberList {
    #[new]
    fn new(groups: Vec<u64>) -> Self {
        Self {
            inner: MemberList::new(&groups),
        }
    }

    /// Takes in many members at once: (id, group, name).
    fn fill(&mut self, members: Vec<(u64, u64, String)>) -> PyResult<()> {
        if self.inner.len() + members.len() > u32::MAX as usize {
            return Err(PyValueError::new_err("too many members"));
        }
        let members = members.into_iter();
        self.inner
            .fill(members.map(|(id, group, name)| (id, group, name.into_boxed_str())));
        Ok(())
    }

    /// Puts a member into a group under a name.
    fn put(&mut self, id: u64, group: u64, name: &str) -> Vec<(u8, usize, u64)> {
        tuples(self.inner.put(id, group, name))
    }

    /// Takes a member out.
    fn remove(&mut self, id: u64) -> Vec<(u8, usize, u64)> {
        tuples(self.inner.remove(id))
    }

    /// The row of a member.
    fn row_of(&self, id: u64) -> Option<usize> {
        self.inner.row_of(id)
    }

    /// Rows as (is a header, id, count of a header).
    fn rows(&self, start: usize, count: usize) -> Vec<(bool, u64, usize)> {
        let rows = self.inner.rows(start, count).into_iter();
        rows.map(|row| match row {
            Row::Group(id, len) => (true, id, len),
            Row::Member(id) => (false, id, 0),
        })
        .collect()
    }

    /// The groups that have members.
    fn groups(&self) -> Vec<(u64, usize)> {
        self.inner.groups().collect()
    }

    #[getter]
    fn row_count(&self) -> usize {
        self.inner.row_count()
    }

    #[getter]
    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }

    fn __len__(&self) -> usize {
        self.inner.len()
    }

    fn __contains__(&self, id: u64) -> bool {
        self.inner.group_of(id).is_some()
    }
}

fn tuples(steps: Vec<Step>) -> Vec<(u8, usize, u64)> {
    steps
        .into_iter()
        .map(|step| match step {
            Step::Delete(at) => (DELETE, at, 0),
            Step::InsertGroup(at, group) => (INSERT_GROUP, at, group),
            Step::Insert(at, id) => (INSERT, at, id),
        })
        .collect()
}

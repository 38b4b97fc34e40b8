<<<<<<< HEAD
//! The program's behavior, told in one binary.

mod postgres;
mod store;
=======
//! The tests of what people see, in one binary.

mod config_errors;
mod floors;
>>>>>>> 7f2e0704a7482be83eb60a15cf3ba535bc67cb44

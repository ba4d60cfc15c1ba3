#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "cuda/matrix_rows.cuh"
#include "cuda/reduced_operands.h"
#include "cuda/stored.cuh"

namespace fastweight::cuda {
namespace {

template <typename T>
struct Reduce {
  ConstMatrices from;
  T* to;
  int64_t toLeading, toStride;

  struct Columns {
    ConstMatrices from;
    int64_t first;
    T* to;
    template <int width>
    __device__ void at(int64_t j) const {
      store(to + j, loadFloats<width>(from, first + j));
    }
  };

  template <int lanes, int width>
  __device__ void row(int64_t b, int64_t i, int64_t columns, int lane) const {
    forColumns<lanes, width>(
        columns, lane, Columns{from, rowOffset(from, b, i), to + b * toStride + i * toLeading});
  }
};

/// Entries of 16 bits in 16 bytes, at whole multiples of which the products' fastest loads begin.
constexpr int64_t kAligned = 8;

/// Whether products read the view as it is stored.
bool isOperand(Element element, const ConstMatrices& view, int64_t matrices) {
  return element == Element::kBfloat16 && view.storage == Storage::kBfloat16 &&
         reinterpret_cast<uintptr_t>(view.data) % 16 == 0 && view.leading % kAligned == 0 &&
         (matrices == 1 || view.stride % kAligned == 0);
}

bool isSame(const ConstMatrices& a, const ConstMatrices& b) {
  return a.data == b.data && a.leading == b.leading && a.stride == b.stride &&
         a.storage == b.storage;
}

/// Behind the last entry of a view's whole rows.
const float* endOf(const ConstMatrices& view, int64_t batch, int64_t rows) {
  return view.behind((batch - 1) * view.stride + rows * view.leading);
}

}  // namespace

ReducedOperands::Form* ReducedOperands::find(Element element, const ConstMatrices& view,
                                             int64_t batch, int64_t rows, int64_t columns) {
  for (size_t i = forms_.size(); i-- > 0;) {
    const Form& form = forms_[i];
    if (form.element != element || !isSame(form.view, view) || form.batch != batch ||
        form.rows < rows || form.columns < columns) {
      continue;
    }
    // The one used last stands at the end.
    std::rotate(forms_.begin() + static_cast<int64_t>(i),
                forms_.begin() + static_cast<int64_t>(i) + 1, forms_.end());
    return &forms_.back();
  }
  return nullptr;
}

ReducedOperands::Form* ReducedOperands::make(Element element, const ConstMatrices& view,
                                             int64_t batch, int64_t rows, int64_t columns) {
  if (forms_.size() >= kMostForms) {
    const auto end = forms_.end() - kOfAProduct;
    const auto oldest =
        std::find_if(forms_.begin(), end, [](const Form& form) { return !form.isAlone; });
    if (oldest != end) forms_.erase(oldest);
  }
  Form form;
  form.element = element;
  form.view = view;
  form.begin = view.data;
  form.end = endOf(view, batch, rows);
  form.batch = batch;
  form.rows = rows;
  form.columns = columns;
  const int64_t leading = (columns + kAligned - 1) / kAligned * kAligned;
  const int64_t matrices = view.stride == 0 ? 1 : batch;
  form.data = std::make_unique<Scratch>(stream_, memory_,
                                        static_cast<size_t>(matrices * rows * leading) * 2);
  if (form.data->isNull()) return nullptr;
  form.operand = {form.data->data(), leading, matrices == 1 ? 0 : rows * leading};
  forms_.push_back(std::move(form));
  return &forms_.back();
}

Operand ReducedOperands::of(Element element, const ConstMatrices& view, int64_t batch, int64_t rows,
                            int64_t columns) {
  const int64_t matrices = view.stride == 0 ? 1 : batch;
  if (isOperand(element, view, matrices)) {
    return {view.data, view.leading, matrices == 1 ? 0 : view.stride};
  }
  if (const Form* form = find(element, view, batch, rows, columns)) return form->operand;
  const Form* form = make(element, view, batch, rows, columns);
  if (form == nullptr) return {};
  const auto reduce = [&](auto* to) {
    using T = std::remove_pointer_t<decltype(to)>;
    forRows(stream_, "rounding an operand", matrices, rows, columns, isPackable(view, matrices),
            Reduce<T>{view, to, form->operand.leading, form->operand.stride});
  };
  if (element == Element::kFloat16) {
    reduce(static_cast<__half*>(form->data->data()));
  } else {
    reduce(static_cast<__nv_bfloat16*>(form->data->data()));
  }
  return form->operand;
}

Operand ReducedOperands::toProduce(Element element, const ConstMatrices& view, int64_t batch,
                                   int64_t rows, int64_t columns, bool isAlone) {
  // Its memory serves again; what else stands for the view, or for a part of it, goes.
  std::optional<Form> before;
  if (Form* found = find(element, view, batch, rows, columns)) before = std::move(*found);
  if (before) forms_.pop_back();  // the one found stands at the end
  written(view, batch, rows);
  Form* form = nullptr;
  if (before) {
    forms_.push_back(std::move(*before));
    form = &forms_.back();
  } else {
    form = make(element, view, batch, rows, columns);
  }
  if (form == nullptr) return {};
  form->isAlone = isAlone;
  return form->operand;
}

Operand ReducedOperands::alone(Element element, const ConstMatrices& view, int64_t batch,
                               int64_t rows, int64_t columns) {
  const Form* form = find(element, view, batch, rows, columns);
  return form != nullptr && form->isAlone ? form->operand : Operand{};
}

void ReducedOperands::written(const ConstMatrices& view, int64_t batch, int64_t rows) {
  const float* end = endOf(view, batch, rows);
  const auto overlaps = [&](const Form& form) { return form.begin < end && view.data < form.end; };
  forms_.erase(std::remove_if(forms_.begin(), forms_.end(), overlaps), forms_.end());
}

}  // namespace fastweight::cuda

// PCL's chain on KITTI scans: crop, voxel grid, RANSAC plane, Euclidean clusters; no boxes.
// g++ -O3 -I/usr/include/eigen3 -I/usr/include/pcl-1.13 pcl_clusters.cpp -o pcl_clusters
//     -lpcl_common -lpcl_filters -lpcl_segmentation -lpcl_search -lpcl_kdtree
// (with -march=native Eigen aligns differently from Debian's PCL, and it crashes)
// Usage: pcl_clusters VOXEL_M GROUND(plane|none) SCAN.bin OUT.bin: prints milliseconds of the
// processor; writes float32 x, y, z, cluster of every point of a cluster.
#include <pcl/common/common.h>
#include <pcl/filters/extract_indices.h>
#include <pcl/filters/voxel_grid.h>
#include <pcl/point_cloud.h>
#include <pcl/point_types.h>
#include <pcl/search/kdtree.h>
#include <pcl/segmentation/extract_clusters.h>
#include <pcl/segmentation/sac_segmentation.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

using Cloud = pcl::PointCloud<pcl::PointXYZ>;

static std::vector<pcl::PointIndices> run(const Cloud::Ptr& scan, float voxel_m, bool plane,
                                          Cloud::Ptr& rest) {
  Cloud::Ptr cropped(new Cloud);
  for (const auto& point : *scan) {
    const float range_m = std::hypot(point.x, point.y);
    if (range_m > 1.5F && range_m < 80.F && point.z > -8.F && point.z < 8.F) {
      cropped->push_back(point);
    }
  }
  Cloud::Ptr thin(new Cloud);
  pcl::VoxelGrid<pcl::PointXYZ> grid;
  grid.setInputCloud(cropped);
  grid.setLeafSize(voxel_m, voxel_m, voxel_m);
  grid.filter(*thin);

  rest = thin;
  if (plane) {
    pcl::SACSegmentation<pcl::PointXYZ> ransac;
    pcl::ModelCoefficients coefficients;
    pcl::PointIndices::Ptr ground(new pcl::PointIndices);
    ransac.setModelType(pcl::SACMODEL_PLANE);
    ransac.setMethodType(pcl::SAC_RANSAC);
    ransac.setDistanceThreshold(0.2);
    ransac.setMaxIterations(200);
    ransac.setOptimizeCoefficients(true);
    ransac.setInputCloud(thin);
    ransac.segment(*ground, coefficients);
    pcl::ExtractIndices<pcl::PointXYZ> extract;
    extract.setInputCloud(thin);
    extract.setIndices(ground);
    extract.setNegative(true);
    rest.reset(new Cloud);
    extract.filter(*rest);
  }
  std::vector<pcl::PointIndices> clusters;
  pcl::search::KdTree<pcl::PointXYZ>::Ptr tree(new pcl::search::KdTree<pcl::PointXYZ>);
  tree->setInputCloud(rest);
  pcl::EuclideanClusterExtraction<pcl::PointXYZ> extraction;
  extraction.setClusterTolerance(0.5);
  extraction.setMinClusterSize(5);
  extraction.setMaxClusterSize(100000);
  extraction.setSearchMethod(tree);
  extraction.setInputCloud(rest);
  extraction.extract(clusters);
  return clusters;
}

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s VOXEL_M plane|none SCAN.bin OUT.bin\n", argv[0]);
    return 2;
  }
  std::ifstream file(argv[3], std::ios::binary);
  Cloud::Ptr scan(new Cloud);
  float values[4];
  while (file.read(reinterpret_cast<char*>(values), sizeof values)) {
    scan->push_back({values[0], values[1], values[2]});
  }
  const float voxel_m = std::strtof(argv[1], nullptr);
  const bool plane = std::string(argv[2]) == "plane";
  Cloud::Ptr rest;
  std::vector<pcl::PointIndices> clusters;
  double best_ms = 1e9;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const std::clock_t start = std::clock();
    clusters = run(scan, voxel_m, plane, rest);
    best_ms = std::min(best_ms, 1e3 * double(std::clock() - start) / CLOCKS_PER_SEC);
  }
  std::ofstream out(argv[4], std::ios::binary);
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    for (int index : clusters[i].indices) {
      const auto& point = (*rest)[index];
      const float row[4] = {point.x, point.y, point.z, float(i)};
      out.write(reinterpret_cast<const char*>(row), sizeof row);
    }
  }
  std::printf("%.3f\n", best_ms);
  return 0;
}
